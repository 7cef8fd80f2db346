"""Sends recorded audio as if it were being spoken, or as fast as the server takes it."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import numpy as np
import numpy.typing as npt

from clients.client import Client


async def stream_samples(
    client: Client,
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    *,
    speed: Literal[0, 1] = 1,
    chunk_ms: float = 100.0,
) -> None:
    """Send a recording in chunks; neither finalizes nor stops.

    Args:
        samples: mono, -1 … 1, at `sample_rate`, which must be that of the session.
        speed: 1 = a chunk is sent when its last sample would have been captured, and stamped
            with the time of its first; 0 = as fast as the server reads, stamped when sent.
            Start the session with `live=False` then, or a slow server will lose audio.

    Raises:
        ServerRefusedError, ConnectionLostError
        ValueError: chunks shorter than a sample.
    """
    chunk = round(chunk_ms * sample_rate / 1000)
    if chunk < 1:
        raise ValueError(f"chunk_ms {chunk_ms:g} is less than a sample")
    started_s, started_ms = time.monotonic(), time.time() * 1000
    for at in range(0, len(samples), chunk):
        piece = samples[at : at + chunk]
        capture_time_ms = time.time() * 1000
        if speed == 1:
            capture_time_ms = started_ms + at * 1000 / sample_rate
            due_s = started_s + (at + len(piece)) / sample_rate
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        await client.send_audio(piece, capture_time_ms)
