"""Committed words as segments of a sentence or so, for those who cannot wait for a pause."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from streamer.audio.clock import SAMPLE_RATE, ms_from_samples
from streamer.transcript.events import (
    AudioPaused,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Segment, Word
from streamer.transcript.phrases import break_cost, ends_sentence

_LONGEST_S: Final = 5
"""Of a sentence that goes on: it is cut at its best place, but for the newest word."""
_REACH_BACK_MS: Final = 1_000
"""A segment that opens may begin so long before what was processed."""


class Pieces:
    """Takes a session's events, gives the text of one of its channels in pieces, each word once.

    Their emotion is that of the segment, so it is known of the last piece alone.
    """

    def __init__(self, channel: int = 0) -> None:
        self._channel = channel
        self._words: list[Word] = []
        self._tentative: tuple[Word, ...] = ()
        self._open_from: int | None = None
        self._processed = 0

    def on_event(self, event: SessionEvent) -> list[Segment]:
        """What can be given now."""
        match event:
            case SpeechBegan() | WordsUpdate() | SegmentClosed() if event.channel != self._channel:
                pass
            case SpeechBegan():
                self._open_from = event.start_sample
            case WordsUpdate():
                self._words.extend(event.committed)
                self._tentative = event.tentative
                return self._cut()
            case SegmentClosed():
                self._tentative, self._open_from = (), None
                if event.cause == "length":
                    self._open_from = event.segment.end_sample
                self._processed = max(self._processed, event.segment.end_sample)
                return self._take(len(self._words), event.segment.emotion)
            case StepDone():
                self._processed = max(self._processed, event.processed_sample)
            case AudioPaused():
                self._processed = max(self._processed, event.end_sample)
        return []

    def end(self) -> list[Segment]:
        """What is left of a session that was cut off."""
        return self._take(len(self._words), None)

    @property
    def heard_ms(self) -> float:
        """All audio before was processed."""
        return ms_from_samples(self._processed)

    @property
    def known_ms(self) -> float:
        """No piece that is yet to come has text from before."""
        waiting = (*self._words, *self._tentative)
        if waiting:
            return ms_from_samples(waiting[0].start_sample)
        if self._open_from is not None:
            return ms_from_samples(self._open_from)
        return max(0.0, self.heard_ms - _REACH_BACK_MS)

    def _cut(self) -> list[Segment]:
        words = self._words
        ends = [at for at, word in enumerate(words, 1) if ends_sentence(word.text)]
        pieces = self._take(ends[-1], None) if ends else []
        words = self._words
        if words and words[-1].end_sample - words[0].start_sample > _LONGEST_S * SAMPLE_RATE:
            costs = [
                break_cost(a.text, b.text, ms_from_samples(b.start_sample - a.end_sample))
                for a, b in pairwise(words)
            ]
            # Of breaks that are as good, the last: a piece is no shorter than it has to be.
            at = max(range(len(costs)), key=lambda i: (-costs[i], i), default=0)
            pieces += self._take(at + 1, None)
        return pieces

    def _take(self, count: int, emotion: Emotion | None) -> list[Segment]:
        words, self._words = tuple(self._words[:count]), self._words[count:]
        if not words:
            return []
        if self._open_from is not None:
            self._open_from = max(self._open_from, words[-1].end_sample)
        start, end = words[0].start_sample, max(word.end_sample for word in words)
        return [
            Segment(
                words[0].segment_id, start, end, words, emotion, final=True, channel=self._channel
            )
        ]
