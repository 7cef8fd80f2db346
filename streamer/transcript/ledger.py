"""The word ledger: what has been said, and how sure we are of it.

Committed words are append-only: their text and times never change and they never vanish.
Tentative words are replaced as a whole at every update. Closing a segment makes its committed
words final and fixes its emotion. Every protocol and every export is a view of this ledger.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from streamer.protocol.joining import joined


class LedgerError(RuntimeError):
    """A call that would break the ledger's contract; a bug in the caller."""


def word_key(text: str) -> str:
    """A word in lower case, without the marks around it."""
    return text.lower().strip(string.punctuation)


class WordState(StrEnum):
    TENTATIVE = "tentative"
    COMMITTED = "committed"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Emotion:
    """A label out of `neutral happy sad angry fearful disgust unknown`, and the probabilities."""

    label: str
    probs: dict[str, float]
    arousal: Arousal | None = None
    """None: too little was heard before to compare with."""


@dataclass(frozen=True, slots=True)
class Arousal:
    """How excited a voice sounds, from -1 (calmer than all that was heard of it before) to 1, and
    how sure that is, from 0 to 1."""

    value: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Voice:
    """What was measured in the sound of a word."""

    loudness_db: float | None
    """Against the speaker's running level; None while that is not known."""
    pitch_hz: float | None
    """None: the word is not voiced."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a word was preferred to the best rival in its place: what the sound, the LLM, the
    expected words and the second listener say more for it than for the rival, in weighted nats.
    The sum decides."""

    rival: str
    audio: float
    text: float
    hot_words: float
    second: float = 0.0
    """What the second listener says more, if it was asked."""
    heard: dict[str, float] = field(default_factory=dict)
    """How sound and emotion shared in what the LLM heard beside the text; empty if it read only."""


class NewWord(Protocol):
    """What the ledger needs of a word that it has not numbered yet; times in absolute samples."""

    @property
    def text(self) -> str: ...

    @property
    def start_sample(self) -> int: ...

    @property
    def end_sample(self) -> int: ...

    @property
    def confidence(self) -> float: ...

    @property
    def decision(self) -> Decision | None:
        """None: nothing else was considered."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word in the ledger. `id` is unique in the session and grows with time."""

    id: int
    text: str
    start_sample: int
    end_sample: int
    confidence: float
    state: WordState
    segment_id: int
    decision: Decision | None = None
    voice: Voice | None = None
    """None: it was not measured."""
    speaker: int | None = None
    """Who said it, counted from 0 in the order of first appearance; it may change until the word
    is final. None: that is not told, or not known."""

    def as_final(self) -> Word:
        """The same word in a segment that has ended."""
        return replace(self, state=WordState.FINAL)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech between two endpoints."""

    id: int
    start_sample: int
    end_sample: int
    words: tuple[Word, ...] = field(default=())
    emotion: Emotion | None = None
    final: bool = False
    channel: int = 0
    speaker: int | None = None
    """Who said all of it."""

    @property
    def text(self) -> str:
        return joined(word.text for word in self.words)


class Ledger:
    """The words and segments of one session."""

    def __init__(
        self,
        max_final_segments: int | None = None,
        *,
        start_sample: int = 0,
        next_word_id: int = 0,
        next_segment_id: int = 0,
    ) -> None:
        """
        Args:
            max_final_segments: of those that are final only the newest are kept; None keeps all.
            start_sample: no segment may begin before.
        """
        self._segments: deque[Segment] = deque(maxlen=max_final_segments)
        self._next_segment_id = next_segment_id
        self._last_end = start_sample
        self._open: Segment | None = None
        self._committed: list[Word] = []
        self._tentative: tuple[Word, ...] = ()
        self._next_word_id = next_word_id

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The final segments that are kept, oldest first."""
        return tuple(self._segments)

    @property
    def open_segment(self) -> Segment | None:
        """The segment being spoken, with its committed words."""
        if self._open is None:
            return None
        return replace(self._open, words=tuple(self._committed))

    @property
    def tentative(self) -> tuple[Word, ...]:
        return self._tentative

    @property
    def words(self) -> tuple[Word, ...]:
        """All words that are kept, in order: final, committed, tentative."""
        final = (word for segment in self._segments for word in segment.words)
        return (*final, *self._committed, *self._tentative)

    def open(self, start_sample: int) -> Segment:
        """Begin a segment.

        Raises:
            LedgerError: a segment is open already, or starts before the last one ended.
        """
        if self._open is not None:
            raise LedgerError(f"segment {self._open.id} is still open")
        if start_sample < self._last_end:
            raise LedgerError("a segment cannot start before the previous one ended")
        self._open = Segment(self._next_segment_id, start_sample, start_sample)
        return self._open

    def commit(
        self,
        words: Sequence[NewWord],
        voices: Sequence[Voice] = (),
        speakers: Sequence[int | None] = (),
    ) -> tuple[Word, ...]:
        """Append words for good; tentative words are dropped, the caller sets them anew.

        Args:
            voices: one for each word, or none at all.
            speakers: as far as they are known; one for each word, or none at all.

        Raises:
            LedgerError: no segment is open, or a word starts before the word it follows.
        """
        segment = self._require_open()
        added = []
        last_start = self._committed[-1].start_sample if self._committed else segment.start_sample
        heard: Sequence[Voice | None] = voices or [None] * len(words)
        said_by = speakers or [None] * len(words)
        told = zip(words, heard, said_by, strict=True)
        for number, (word, voice, speaker) in enumerate(told, self._next_word_id):
            if word.start_sample < last_start or word.end_sample < word.start_sample:
                # It may be logged, so it does not say what was said.
                raise LedgerError(f"word {number} runs backwards in time")
            last_start = word.start_sample
            added.append(self._number(word, WordState.COMMITTED, number, voice, speaker))
        self._next_word_id += len(added)
        self._committed.extend(added)
        self._tentative = ()
        return tuple(added)

    def set_tentative(
        self, words: Sequence[NewWord], speakers: Sequence[int | None] = ()
    ) -> tuple[Word, ...]:
        """Replace the tentative tail. Ids continue those of the committed words.

        Args:
            speakers: one for each word, or none at all.

        Raises:
            LedgerError: no segment is open.
        """
        self._require_open()
        said_by = speakers or [None] * len(words)
        self._tentative = tuple(
            self._number(word, WordState.TENTATIVE, self._next_word_id + i, speaker=speaker)
            for i, (word, speaker) in enumerate(zip(words, said_by, strict=True))
        )
        return self._tentative

    def set_speakers(self, speakers: Sequence[int | None]) -> bool:
        """Tell anew who said the committed words of the open segment, one for each; whether that
        changes any.

        Raises:
            LedgerError: no segment is open.
        """
        self._require_open()
        before = self._committed
        self._committed = [
            replace(word, speaker=speaker) for word, speaker in zip(before, speakers, strict=True)
        ]
        return self._committed != before

    def split(self, n_words: int, emotion: Emotion | None, speaker: int | None) -> Segment:
        """End the open segment behind its first words, where somebody else began to speak; the
        others are those of the next segment, which is open then.

        Raises:
            LedgerError: no segment is open, or no word would be in one of the two.
        """
        segment = self._require_open()
        if not 0 < n_words < len(self._committed):
            raise LedgerError("a segment cannot be split beside its words")
        rest = self._committed[n_words:]
        self._committed = self._committed[:n_words]
        last, following = self._committed[-1], rest[0].start_sample
        first = self.close(
            max(last.start_sample, min(last.end_sample, following)), emotion, speaker
        )
        self._open = replace(segment, id=self._next_segment_id, start_sample=following)
        self._committed = [replace(word, segment_id=self._next_segment_id) for word in rest]
        return first

    def close(
        self, end_sample: int, emotion: Emotion | None, speaker: int | None = None
    ) -> Segment:
        """End the open segment: committed words become final, tentative ones are dropped.

        A segment without words leaves no trace; its (empty) value is still returned.

        Args:
            speaker: who said all of it, if that is known.

        Raises:
            LedgerError: no segment is open, or it would end before its last word began.
        """
        segment = self._require_open()
        if end_sample < segment.start_sample or (
            self._committed and end_sample < self._committed[-1].start_sample
        ):
            raise LedgerError("a segment cannot end before its words began")
        final = replace(
            segment,
            end_sample=end_sample,
            words=tuple(replace(word.as_final(), speaker=speaker) for word in self._committed),
            emotion=emotion,
            final=True,
            speaker=speaker,
        )
        if final.words:
            self._segments.append(final)
            self._next_segment_id += 1
            self._last_end = end_sample
        self._open, self._committed, self._tentative = None, [], ()
        return final

    def _require_open(self) -> Segment:
        if self._open is None:
            raise LedgerError("no segment is open")
        return self._open

    def _number(
        self,
        word: NewWord,
        state: WordState,
        word_id: int,
        voice: Voice | None = None,
        speaker: int | None = None,
    ) -> Word:
        return Word(
            word_id,
            word.text,
            word.start_sample,
            word.end_sample,
            word.confidence,
            state,
            self._require_open().id,
            word.decision,
            voice,
            speaker,
        )
