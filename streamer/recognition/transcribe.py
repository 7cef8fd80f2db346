"""Transcribe a recording in-process, on the very path that live audio takes.

The audio is fed in blocks of one size, and a step runs as soon as a block makes it due. What is
decoded therefore depends on the audio alone: pacing the blocks by the clock (speed 1) or not
(speed 0) gives the same words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from streamer.audio.arrays import Floats
from streamer.audio.clock import seconds_from_samples
from streamer.protocol.joining import joined
from streamer.recognition.contract import SpeechRecognizer
from streamer.runtime.tracing import StagePercentiles, StageStats
from streamer.transcript.events import LanguageChanged, SegmentClosed, SessionEvent, StepDone
from streamer.transcript.ledger import Segment


@dataclass(frozen=True)
class Pacing:
    """How fast audio is fed, and the clock that tells."""

    realtime: bool = False
    """False: as fast as it goes. True: a block becomes available when it would have been spoken."""
    now: Callable[[], float] = field(default=time.perf_counter)
    """Seconds, monotonic."""
    sleep: Callable[[float], None] = field(default=time.sleep)


@dataclass(frozen=True)
class Hearing:
    """What listening to a recording took."""

    n_samples: int
    latency: dict[str, StagePercentiles]
    """Milliseconds, by stage, over the newest steps (1024)."""
    compute_s: float
    """Wall time spent in steps, waiting for audio left out."""
    lost_samples: int
    language: str | None = None
    """Its code, where it was found out."""


@dataclass(frozen=True)
class Transcription(Hearing):
    """What came out of one recording."""

    segments: tuple[Segment, ...] = ()

    @property
    def text(self) -> str:
        return joined(segment.text for segment in self.segments)


def listen(
    blocks: Iterable[Floats],
    recognizer: SpeechRecognizer,
    on_event: Callable[[SessionEvent], None],
    *,
    pacing: Pacing | None = None,
) -> Hearing:
    """Feed 16 kHz blocks to a fresh recognizer until they end. Keeps nothing of what it says, so
    memory does not grow with the recording.

    The recognizer is left open. What `blocks` raises passes through; all that became final by then
    has been told to `on_event`.
    """
    pacing = pacing or Pacing()
    stats = StageStats()
    started = pacing.now()
    n_samples = 0
    compute_s = 0.0
    language: str | None = None

    def run(events: Iterator[SessionEvent]) -> None:
        nonlocal compute_s, language
        began = pacing.now()
        for event in events:
            if isinstance(event, StepDone):
                stats.record_all(event.stages_ms)
            elif isinstance(event, LanguageChanged):
                language = event.language
            on_event(event)
        compute_s += pacing.now() - began

    for block in blocks:
        n_samples += len(block)
        if pacing.realtime:
            wait = started + seconds_from_samples(n_samples) - pacing.now()
            pacing.sleep(max(0.0, wait))
        for lost in recognizer.accept(block):
            on_event(lost)
        while recognizer.due():
            run(recognizer.step())
    run(recognizer.finalize())
    return Hearing(n_samples, stats.percentiles(), compute_s, recognizer.lost_samples, language)


def transcribe(
    blocks: Iterable[Floats],
    recognizer: SpeechRecognizer,
    *,
    pacing: Pacing | None = None,
    on_event: Callable[[SessionEvent], None] | None = None,
) -> Transcription:
    """`listen`, and gather all that became final; for recordings of minutes."""
    segments: list[Segment] = []

    def gather(event: SessionEvent) -> None:
        if isinstance(event, SegmentClosed) and event.segment.words:
            segments.append(event.segment)
        if on_event is not None:
            on_event(event)

    result = listen(blocks, recognizer, gather, pacing=pacing)
    return Transcription(
        result.n_samples,
        result.latency,
        result.compute_s,
        result.lost_samples,
        result.language,
        tuple(segments),
    )
