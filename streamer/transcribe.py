"""Transcribe a recording in-process, on the very path that live audio takes.

The audio is fed in blocks of one size, and a step runs as soon as a block makes it due. What is
decoded therefore depends on the audio alone: pacing the blocks by the clock (speed 1) or not
(speed 0) gives the same words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.clock import seconds_from_samples
from streamer.events import SegmentClosed, SessionEvent, StepDone
from streamer.exports import segment_dict, word_dict
from streamer.latency import StagePercentiles, StageStats
from streamer.ledger import Segment
from streamer.recognizer_api import SpeechRecognizer

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pacing:
    """How fast audio is fed, and the clock that tells."""

    realtime: bool = False
    """False: as fast as it goes. True: a block becomes available when it would have been spoken."""
    now: Callable[[], float] = field(default=time.perf_counter)
    """Seconds, monotonic."""
    sleep: Callable[[float], None] = field(default=time.sleep)


@dataclass(frozen=True)
class Transcription:
    """What came out of one recording."""

    n_samples: int
    segments: tuple[Segment, ...]
    latency: dict[str, StagePercentiles]
    """Milliseconds, by stage, over all steps."""
    compute_s: float
    """Wall time spent in steps, waiting for audio left out."""
    lost_samples: int

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    def as_dict(self, file: str) -> dict[str, Any]:
        """The JSON contract of `streamer transcribe --json`."""
        return {
            "file": file,
            "duration_s": round(seconds_from_samples(self.n_samples), 3),
            "text": self.text,
            "words": [word_dict(word) for segment in self.segments for word in segment.words],
            "segments": [segment_dict(segment) for segment in self.segments],
            "latency_ms": {
                stage: {"p50": round(p.p50, 2), "p95": round(p.p95, 2), "p99": round(p.p99, 2)}
                for stage, p in self.latency.items()
            },
            "compute_s": round(self.compute_s, 3),
            "lost_samples": self.lost_samples,
        }


def transcribe(
    blocks: Iterable[Floats],
    recognizer: SpeechRecognizer,
    *,
    pacing: Pacing | None = None,
    on_event: Callable[[SessionEvent], None] | None = None,
) -> Transcription:
    """Feed 16 kHz blocks to a fresh recognizer until they end, and gather what it says.

    The recognizer is left open. What `blocks` raises passes through; the words committed by
    then stand in the recognizer's ledger.
    """
    pacing = pacing or Pacing()
    stats = StageStats()
    started = pacing.now()
    n_samples = 0
    compute_s = 0.0
    segments: list[Segment] = []

    def run(events: Iterator[SessionEvent]) -> None:
        nonlocal compute_s
        began = pacing.now()
        for event in events:
            if isinstance(event, StepDone):
                stats.record_all(event.stages_ms)
            elif isinstance(event, SegmentClosed) and event.segment.words:
                segments.append(event.segment)
            if on_event is not None:
                on_event(event)
        compute_s += pacing.now() - began

    for block in blocks:
        n_samples += len(block)
        if pacing.realtime:
            wait = started + seconds_from_samples(n_samples) - pacing.now()
            pacing.sleep(max(0.0, wait))
        for lost in recognizer.accept(block):
            if on_event is not None:
                on_event(lost)
        while recognizer.due():
            run(recognizer.step())
    run(recognizer.finalize())
    return Transcription(
        n_samples,
        tuple(segments),
        stats.percentiles(),
        compute_s,
        recognizer.lost_samples,
    )
