"""A recording through the streaming path in-process, as `streamer transcribe --speed 0` does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from benchmarks.common import blocks
from streamer.audio.arrays import Floats
from streamer.audio.clock import ms_from_samples
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine
from streamer.recognition.transcribe import Transcription, transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SegmentClosed, SessionEvent, StepDone, WordsUpdate
from streamer.transcript.ledger import Word
from streamer.transcript.wer import normalize


@dataclass(frozen=True, slots=True)
class SeenSegment:
    """A segment's final words, and what was on the screen before."""

    words: tuple[Word, ...]
    updates: tuple[tuple[int, WordsUpdate], ...]
    """Each with the samples that had arrived."""


@dataclass(frozen=True, slots=True)
class Streamed:
    transcription: Transcription
    commit_delays_ms: tuple[float, ...]
    """For each word: the audio that had arrived when it was committed, behind its end. The end
    is the recognizer's own timing; the time that computing takes is not in it."""
    final_delays_ms: tuple[float, ...]
    """For each segment that silence closed: the audio that had arrived behind the silence that
    closes, and the wall time from the step's beginning to the final event."""
    revised_words: int
    """Tentative words that were replaced by others or vanished, case and punctuation aside."""
    segments: tuple[SeenSegment, ...]


@dataclass
class _Notes:
    """What the events of one recording tell."""

    closing_ms: float
    """Silence behind a segment's end that closes it."""
    commits: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    revised: int = 0
    shown: list[list[str]] = field(default_factory=list)
    step_began: float = field(default_factory=time.perf_counter)
    updates: list[tuple[int, WordsUpdate]] = field(default_factory=list)
    """Of the open segment."""
    segments: list[SeenSegment] = field(default_factory=list)

    def take(self, event: SessionEvent, heard: int) -> None:
        if isinstance(event, StepDone):
            self.step_began = time.perf_counter()
        elif isinstance(event, WordsUpdate):
            self.commits += [ms_from_samples(heard - word.end_sample) for word in event.committed]
            words = [normalize(word.text) for word in (*event.committed, *event.tentative)]
            standing = sum(old == new for old, new in zip(self.shown, words, strict=False))
            self.revised += len(self.shown) - standing
            self.shown = words[len(event.committed) :]
            self.updates.append((heard, event))
        elif isinstance(event, SegmentClosed):
            self.segments.append(SeenSegment(event.segment.words, tuple(self.updates)))
            self.updates = []
            if event.cause == "silence":
                waited = ms_from_samples(heard - event.segment.end_sample) - self.closing_ms
                self.finals.append(waited + 1000 * (time.perf_counter() - self.step_began))


def stream(engine: Engine, samples: Floats, options: SessionOptions) -> Streamed:
    """Hop by hop, through a fresh recognizer."""
    recognizer = engine.recognizer(options, NullSpans())
    endpointer = engine.options.recognizer.endpointer
    notes = _Notes(max(0.0, endpointer.hangover_ms - endpointer.post_roll_ms))

    def note(event: SessionEvent) -> None:
        notes.take(event, recognizer.received_samples)

    try:
        result = transcribe(blocks(samples), recognizer, on_event=note)
    finally:
        recognizer.close()
    return Streamed(
        result,
        tuple(notes.commits),
        tuple(notes.finals),
        notes.revised,
        tuple(notes.segments),
    )
