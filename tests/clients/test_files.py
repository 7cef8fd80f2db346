from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from streamer.client.client import Client, connect
from streamer.client.files import RecordingError, open_recording, stream_samples, transcribe
from streamer.protocol.messages import StartMessage
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


@pytest.mark.parametrize("rate", [8_000, 44_100])
async def test_a_recording_is_captioned_at_its_own_rate(tmp_path: Path, rate: int) -> None:
    both = np.stack([tone(1.0, rate), np.zeros(rate, np.float32)], axis=1)
    soundfile.write(tmp_path / "a.wav", both, rate, subtype="FLOAT")
    with ServerThread() as server:
        transcript = await transcribe(
            tmp_path / "a.wav", server.http_url, StartMessage(context="A test.")
        )
        assert server.engine.recognizers[0].options.context == "A test."
    assert transcript.text == "w0 w8000"


@pytest.mark.slow
def test_a_long_recording_is_read_in_little_memory(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 16_000, 1) as file:
        for _ in range(20):
            file.write(tone(60.0))
    tracemalloc.start()
    try:
        with open_recording(tmp_path / "a.wav") as recording:
            heard = sum(len(chunk) for chunk in recording.chunks())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert heard == 20 * 60 * 16_000
    # The whole takes 77 MB. Python may rebuild its table of interned strings meanwhile: 2 MB.
    assert peak_bytes < 8_000_000


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.wav", "cannot be read"),
        ("text.mp3", "is not audio that can be read"),
        ("text.raw", "is not audio that can be read"),
        ("fast.wav", "has 96000 Hz, the server takes 8000 to 48000"),
    ],
)
def test_a_recording_that_cannot_be_sent_says_why(tmp_path: Path, name: str, says: str) -> None:
    for text in ("text.mp3", "text.raw"):
        (tmp_path / text).write_text("no audio")
    soundfile.write(tmp_path / "fast.wav", tone(0.1), 96_000)
    with pytest.raises(RecordingError, match=says), open_recording(tmp_path / name):
        pytest.fail("should not open")
