"""The caption page as people meet it: real server, real models, recorded speech to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr

from streamer.app import ServerOptions, create_app, serve
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled_speech import SpeechClip
from streamer.client.page import page_folder
from streamer.recognition.engine import Engine
from tests.borrowed_engine import BorrowedEngine

MICROPHONE_RATE: Final = 48_000
LEAD_IN_S: Final = 0.5
PAUSE_S: Final = 1.5
TAIL_S: Final = 120.0
"""The browser plays its microphone file over and over; this long it is silent in between."""


@asynccontextmanager
async def serve_page(engine: Engine, options: ServerOptions | None = None) -> AsyncIterator[str]:
    """Serve the page on a free local port and give its URL; the engine stays open."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    app = create_app(BorrowedEngine(engine), options or ServerOptions(), page_folder())
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, url.set_result, stop))
    either: set[asyncio.Future[Any]] = {serving, url}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not url.done():
        await serving
        raise RuntimeError("the server ended before it had begun")
    try:
        yield url.result()
    finally:
        stop.set()
        await serving


def microphone_file(clips: Sequence[SpeechClip], path: Path) -> Path:
    """Write clips with pauses between them in the form that Chromium plays best."""
    parts = [np.zeros(round(LEAD_IN_S * SAMPLE_RATE), np.float32)]
    for clip in clips:
        parts += [read_samples(clip.path), np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)]
    parts.append(np.zeros(round(TAIL_S * SAMPLE_RATE), np.float32))
    speech = soxr.resample(np.concatenate(parts), SAMPLE_RATE, MICROPHONE_RATE)
    soundfile.write(path, speech, MICROPHONE_RATE, subtype="PCM_16")
    return path
