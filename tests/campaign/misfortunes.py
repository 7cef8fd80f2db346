"""What goes wrong without anybody's ill will: a busy machine, a wrong clock, a full disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.protocol.messages import LatencyEvent, StartMessage
from tests.campaign.attacks import Target
from tests.campaign.server import Server
from tests.campaign.speaking import in_real_time

_CHUNK: Final = SAMPLE_RATE // 10
_FULL_BYTES: Final = 100_000
_CLOCKS_MS: Final = (1e6, 8e11, 4e12, 1e15)


async def starvation(target: Target) -> Mapping[str, float]:
    """Twice as many busy processes as there are cores; then a new session must be in time again."""
    seconds = max(3.0, 30 * target.share)
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        await asyncio.sleep(seconds)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    await asyncio.sleep(2)
    speech = read_samples(bundled_speech()[-1].path)
    lags_ms: list[float] = []
    async with connect(target.url, StartMessage(decoder="draft")) as client:
        listener = asyncio.create_task(_lags(client, lags_ms))
        async for piece, sent in in_real_time(speech):
            await client.send_audio(piece)
            if sent >= 4 * SAMPLE_RATE:
                break
        await client.stop()
        await listener
    return {"busy_processes": len(busy), "lag_afterwards_ms": max(lags_ms)}


async def wrong_clocks(target: Target) -> Mapping[str, float]:
    """Clients whose capture stamps lie ages away, or run backwards; they must be captioned."""
    speech = read_samples(bundled_speech()[0].path)
    silent = 0
    for number in range(target.times(12)):
        stamp_ms = _CLOCKS_MS[number % len(_CLOCKS_MS)]
        async with connect(target.url, StartMessage(decoder="draft", live=False)) as client:
            for at in range(0, len(speech), _CHUNK):
                await client.send_audio(speech[at : at + _CHUNK], max(1.0, stamp_ms - at))
            await client.stop()
            silent += not client.transcript.text
    return {"sessions": target.times(12), "sessions_without_words": silent}


async def full_disk() -> Mapping[str, float]:
    """A server of its own whose files may not grow: its store and its trace fail, captions must
    not."""
    speech = read_samples(bundled_speech()[0].path)
    with tempfile.TemporaryDirectory() as folder:
        log_path = Path(folder) / "log"
        options = [
            *("--no-llm", "--store", str(Path(folder) / "store.db")),
            *("--trace", str(Path(folder) / "trace.json")),
        ]
        with log_path.open("wb") as log:
            server = await asyncio.to_thread(Server, log, options, 0, _FULL_BYTES)
            try:
                words = []
                for _ in range(2):
                    async with connect(
                        server.url, StartMessage(decoder="draft", live=False)
                    ) as client:
                        for _ in range(3):
                            await client.send_audio(speech)
                        await client.stop()
                        words.append(len(client.transcript.words))
                alive = server.alive
            finally:
                await asyncio.to_thread(server.stop)
        told = log_path.read_text(encoding="utf-8", errors="replace")
    return {
        "sessions_without_words": sum(not count for count in words),
        "alive": alive,
        "store_told": "the store cannot be written" in told,
        "tracebacks": told.count("Traceback (most recent call last)"),
        "memory_growth_mb": 0.0,
    }


async def _lags(client: Client, lags_ms: list[float]) -> None:
    async for event in client:
        if isinstance(event, LatencyEvent):
            lags_ms.append(event.lag_ms)
