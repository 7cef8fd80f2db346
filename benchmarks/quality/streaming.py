"""A recording through the streaming path in-process, as `streamer transcribe --speed 0` does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from benchmarks.common import blocks
from streamer.audio.arrays import Floats
from streamer.audio.clock import ms_from_samples
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine
from streamer.recognition.transcribe import Transcription, transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SegmentClosed, SessionEvent, StepDone, WordsUpdate
from streamer.transcript.ledger import Segment, Word
from streamer.transcript.wer import normalize

_STOPS: Final = (".", "?", "!")
_SAME_WORD_SAMPLES: Final = 8_000


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
    shown_delays_ms: tuple[float, ...]
    """For each final word: the audio that had arrived when it was first seen at about its place,
    committed or not, behind its end."""
    false_stops: int
    """Updates whose last tentative word closed a sentence that went on."""


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
    seen: list[tuple[int, Word]] = field(default_factory=list)
    """Words of the open segment, and how much audio had arrived."""
    shown_delays: list[float] = field(default_factory=list)
    closed: list[tuple[int, str]] = field(default_factory=list)
    """Place in the segment, and text, of last tentative words that closed a sentence."""
    n_committed: int = 0
    """In the open segment."""
    false_stops: int = 0

    def take(self, event: SessionEvent, heard: int) -> None:
        if isinstance(event, StepDone):
            self.step_began = time.perf_counter()
        elif isinstance(event, WordsUpdate):
            self.commits += [ms_from_samples(heard - word.end_sample) for word in event.committed]
            words = [normalize(word.text) for word in (*event.committed, *event.tentative)]
            standing = sum(old == new for old, new in zip(self.shown, words, strict=False))
            self.revised += len(self.shown) - standing
            self.shown = words[len(event.committed) :]
            self.seen += [(heard, word) for word in (*event.committed, *event.tentative)]
            self.n_committed += len(event.committed)
            if event.tentative and event.tentative[-1].text.endswith(_STOPS):
                place = self.n_committed + len(event.tentative) - 1
                self.closed.append((place, event.tentative[-1].text))
        elif isinstance(event, SegmentClosed):
            self._take_segment(event.segment)
            if event.cause == "silence":
                waited = ms_from_samples(heard - event.segment.end_sample) - self.closing_ms
                self.finals.append(waited + 1000 * (time.perf_counter() - self.step_began))

    def _take_segment(self, segment: Segment) -> None:
        for word in segment.words:
            first = next((at for at, seen in self.seen if _is_same(seen, word)), None)
            if first is not None:
                self.shown_delays.append(ms_from_samples(first - word.end_sample))
        for place, _ in self.closed:
            stands = place < len(segment.words) and segment.words[place].text.endswith(_STOPS)
            self.false_stops += not stands
        self.seen, self.closed, self.n_committed = [], [], 0


def _is_same(seen: Word, word: Word) -> bool:
    """Whether it is the same word at about the same place: tentative ones are renumbered when
    others come in before them."""
    apart = abs(seen.start_sample + seen.end_sample - word.start_sample - word.end_sample) / 2
    return apart <= _SAME_WORD_SAMPLES and normalize(seen.text) == normalize(word.text)


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
        tuple(notes.shown_delays),
        notes.false_stops,
    )
