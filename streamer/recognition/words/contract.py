"""What a recognizer asks of whatever makes words of its segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.audio.arrays import Floats
from streamer.decoding.speech_evidence import Probabilities
from streamer.recognition.words.expectation import Expectation
from streamer.transcript.events import SessionEvent
from streamer.transcript.ledger import NewWord

Read = Callable[[int, int], Floats]
"""The sound of the session between two samples."""
Told = SessionEvent | tuple[NewWord, ...]
"""Newly committed words, with which the tentative ones have changed; or what else is to be told."""


@dataclass(frozen=True)
class Sound:
    """Of a session."""

    read: Read
    probabilities: Probabilities | None = None
    """What the speech detector said of it; None: it was not asked."""


class SegmentWords(Protocol):
    """The words of one open segment. Times are absolute samples."""

    @property
    def tentative(self) -> Sequence[NewWord]:
        """The words behind the committed ones."""

    @property
    def committed_end(self) -> int:
        """End of the last committed word, or the segment's start."""

    def step(self, end: int, backlog: int) -> Iterator[Told]:
        """Somebody speaks, and has been heard up to `end`.

        Args:
            backlog: samples that waited for this step.
        """

    def pause(self, end: int, backlog: int) -> Iterator[Told]:
        """Speech has paused; the segment will end at `end` if it does not go on. Told at every
        step of the pause."""

    def close(self, end: int, silence_ms: float) -> Iterator[Told]:
        """The segment ends: all its words are committed.

        Args:
            silence_ms: to be thought behind `end`, where the sound was cut.
        """

    def sentence_over(self) -> float | None:
        """In a pause: log-odds (nats) by the LLM that the sentence is over; None: it has no say."""

    def settle(self) -> Iterator[Told]:
        """In a pause: its words are committed as if the segment ended there, which it does not."""


class SessionWords(Protocol):
    """Makes words of a session's segments, one after the other."""

    def begin(self, sound: Sound, start_sample: int, audio_from: int) -> SegmentWords:
        """A segment opens.

        Args:
            audio_from: where its sound begins, if before its start: no word begins there.
        """

    def expect(self, expectation: Expectation) -> None:
        """Expect this from now on; what is committed stays."""
