from __future__ import annotations

import time
from typing import Any, cast

import numpy as np
import pytest

from clients.client import Client, connect
from clients.files import stream_samples
from streamer.protocol import StartMessage
from tests.fakes import FakeEngine, tone
from tests.serving import ServerThread


class Recorder:
    """Stands in for a client and remembers what it was asked to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, float, float]] = []

    async def send_audio(self, samples: np.ndarray, capture_time_ms: float | None = None) -> None:
        assert capture_time_ms is not None
        self.sent.append((len(samples), capture_time_ms, time.time() * 1000))


async def send(recorder: Recorder, samples: np.ndarray, rate: int, **options: Any) -> None:
    await stream_samples(cast(Client, recorder), samples, rate, **options)


async def test_in_real_time_a_chunk_comes_when_it_has_been_spoken() -> None:
    recorder = Recorder()
    await send(recorder, tone(0.25, 8_000), 8_000, speed=1, chunk_ms=100)
    assert [n for n, _, _ in recorder.sent] == [800, 800, 400]
    stamps = [stamp for _, stamp, _ in recorder.sent]
    assert np.diff(stamps) == pytest.approx([100, 100])
    for n_samples, stamp, sent_ms in recorder.sent:
        assert sent_ms >= stamp + n_samples / 8 - 20


async def test_at_full_speed_nothing_waits() -> None:
    recorder = Recorder()
    await send(recorder, tone(60.0), 16_000, speed=0, chunk_ms=20)
    assert len(recorder.sent) == 3_000
    assert all(sent_ms >= stamp for _, stamp, sent_ms in recorder.sent)


async def test_chunks_have_samples() -> None:
    with pytest.raises(ValueError, match="less than a sample"):
        await send(Recorder(), tone(0.1), 16_000, chunk_ms=0.01)


async def test_a_recording_at_full_speed_loses_nothing() -> None:
    with ServerThread(engine=FakeEngine(buffer_s=20.0)) as server:
        async with connect(server.url, StartMessage(live=False)) as client:
            await stream_samples(client, tone(120.0), 16_000, speed=0)
            bye = await client.stop()
    assert (bye.words, bye.lost_samples) == (240, 0)
