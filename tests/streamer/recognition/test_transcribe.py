"""The file path: order of calls, pacing, and what is gathered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from streamer.recognition.contract import SessionChange
from streamer.recognition.transcribe import Pacing, transcribe
from streamer.transcript.events import AudioLost, SegmentClosed, SessionEvent, StepDone
from streamer.transcript.ledger import Emotion, Ledger
from tests.fakes import FakeWord

HOP = 8_000


class FakeRecognizer:
    """Says one word a hop, and closes its segment at the end."""

    def __init__(self, emotion: Emotion | None = None) -> None:
        self.ledger = Ledger()
        self.calls: list[str] = []
        self.lost_samples = 0
        self.received_samples = 0
        self.processed_samples = 0
        self._emotion = emotion

    def accept(self, samples: npt.NDArray[np.float32]) -> list[AudioLost]:
        self.calls.append(f"accept {len(samples)}")
        self.received_samples += len(samples)
        if samples.max() > 0.5:
            self.lost_samples += len(samples)
            return [AudioLost(0, len(samples), "overrun")]
        return []

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        raise NotImplementedError

    def hush(self, start: int) -> None:
        raise NotImplementedError

    def change(self, change: SessionChange) -> None:
        raise NotImplementedError

    def due(self) -> bool:
        return self.received_samples - self.processed_samples >= HOP

    def step(self, *, thorough: bool = False) -> Iterator[SessionEvent]:
        self.calls.append("step")
        start = self.processed_samples
        self.processed_samples += HOP
        if self.ledger.open_segment is None:
            self.ledger.open(start)
        self.ledger.commit([FakeWord(f"word{start // HOP}", start, start + 4_000, 0.987654)])
        yield StepDone(start // HOP, self.processed_samples, 0, {"encode": 10.0 + start / HOP})

    def finalize(self, cause: str = "finalize") -> Iterator[SessionEvent]:
        self.calls.append("finalize")
        if self.ledger.open_segment is not None:
            yield SegmentClosed(self.ledger.close(self.received_samples, self._emotion))

    def close(self) -> None:
        pass


class FakeClock:
    """Time passes only when someone sleeps or computes."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def blocks(n_samples: int, size: int, level: float = 0.1) -> Iterator[npt.NDArray[np.float32]]:
    for at in range(0, n_samples, size):
        yield np.full(min(size, n_samples - at), level, np.float32)


def test_steps_run_as_soon_as_they_are_due() -> None:
    recognizer = FakeRecognizer()
    transcribe(blocks(18_000, 6_000), recognizer)
    assert recognizer.calls == [
        *("accept 6000", "accept 6000", "step", "accept 6000", "step", "finalize"),
    ]


def test_pace_changes_nothing_but_the_time_it_takes() -> None:
    clock = FakeClock()
    paced, free = FakeRecognizer(), FakeRecognizer()
    first = transcribe(
        blocks(20_000, 1_600), paced, pacing=Pacing(True, now=clock.now, sleep=clock.sleep)
    )
    second = transcribe(blocks(20_000, 1_600), free)
    assert paced.calls == free.calls
    assert first.segments == second.segments
    assert sum(clock.slept) == 20_000 / 16_000


def test_audio_that_is_late_is_not_waited_for() -> None:
    clock = FakeClock()

    def slow_blocks() -> Iterator[npt.NDArray[np.float32]]:
        for block in blocks(3_200, 1_600):
            clock.time += 1.0
            yield block

    transcribe(
        slow_blocks(), FakeRecognizer(), pacing=Pacing(True, now=clock.now, sleep=clock.sleep)
    )
    assert clock.slept == [0.0, 0.0]


def test_compute_time_leaves_waiting_out() -> None:
    clock = FakeClock()

    def think(event: SessionEvent) -> None:
        if isinstance(event, StepDone):
            clock.time += 0.25

    result = transcribe(
        blocks(16_000, 1_600),
        FakeRecognizer(),
        pacing=Pacing(True, now=clock.now, sleep=clock.sleep),
        on_event=think,
    )
    assert result.compute_s == 0.5


def test_losses_are_counted_and_reported() -> None:
    events: list[SessionEvent] = []
    result = transcribe(blocks(3_200, 1_600, 0.9), FakeRecognizer(), on_event=events.append)
    assert result.lost_samples == 3_200
    assert events == [AudioLost(0, 1_600, "overrun")] * 2
    assert transcribe(blocks(1_600, 1_600, 0.9), FakeRecognizer()).lost_samples == 1_600


def test_no_speech_is_an_empty_transcript() -> None:
    result = transcribe(blocks(3_200, 1_600), FakeRecognizer())
    assert (result.text, result.segments, result.n_samples) == ("", (), 3_200)
