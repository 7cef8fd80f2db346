"""Attacks on a running server, all on this machine and bounded in time, beside a healthy session.

    python -m benchmarks.serving.campaign                  # the whole, half an hour at most
    python -m benchmarks.serving.campaign --share 0.05     # a slice of every attack

Each attack tells what it did, how late the healthy session's captions were meanwhile (p95 of its
lag), and what the server's memory was afterwards. At the end the server must still stand, with no
traceback in its log.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import numpy as np
import psutil
import typer
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.common import percentiles, write_result
from benchmarks.serving.malformed import Entrance, bad_query, entrances
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled_speech import bundled_speech
from streamer.client.client import Client, connect
from streamer.protocol.messages import LatencyEvent, StartMessage
