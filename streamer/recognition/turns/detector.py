"""One session's turns: a turn begins with its first word, and goes on over pauses until one of them
is likely enough its end.

Where a pause begins the words are looked at, once; from then on only its length speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from streamer.audio.clock import ms_from_samples
from streamer.recognition.turns.confidence import Evidence, confidence
from streamer.recognition.turns.options import TurnOptions
from streamer.transcript.events import TurnCause, TurnChanged, TurnEdge, WordsUpdate
from streamer.transcript.ledger import NewWord, Word


@dataclass
class _Turn:
    id: int
    start_sample: int
    committed: list[Word]
    tentative: list[Word]


@dataclass
class _Pause:
    since: int
    evidence: Evidence
    eager: bool = False
    """Whether the turn's end was told early."""


class TurnDetector:
    """See the module. Times are absolute samples."""

    def __init__(self, options: TurnOptions, first_id: int = 0) -> None:
        """
        Args:
            first_id: of the first turn; ids count up.
        """
        self.options = options
        self._next_id = first_id
        self._next_word_id = 0
        """Behind the words of turns that are over."""
        self._turn: _Turn | None = None
        self._pause: _Pause | None = None

    @property
    def is_open(self) -> bool:
        return self._turn is not None

    @property
    def last_word(self) -> tuple[str, int]:
        """Of the open turn: its text and its end; none where its words have vanished."""
        turn = self._turn
        words = [] if turn is None else [*turn.committed, *turn.tentative]
        if not words:
            return "", 0 if turn is None else turn.start_sample
        return words[-1].text, words[-1].end_sample

    @property
    def silent_since(self) -> int | None:
        """Where the pause in the open turn began; None: it does not pause."""
        return None if self._pause is None else self._pause.since

    @property
    def evidence(self) -> Evidence | None:
        """What speaks for the turn's end in that pause."""
        return None if self._pause is None else self._pause.evidence

    def heard(self, update: WordsUpdate) -> Iterator[TurnChanged]:
        """Words are shown: with the first of them a turn begins."""
        committed = [word for word in update.committed if word.id >= self._next_word_id]
        tentative = [word for word in update.tentative if word.id >= self._next_word_id]
        words = [*committed, *tentative]
        if self._turn is not None:
            self._turn.committed.extend(committed)
            self._turn.tentative = tentative
        elif words:
            self._turn = _Turn(self._next_id, words[0].start_sample, committed, tentative)
            self._next_id += 1
            sure = sum(word.confidence for word in words) / len(words)
            yield self._changed(self._turn, "start", words[-1].end_sample, sure)

    def paused(self, since: int, evidence: Evidence, open_words: Sequence[NewWord] = ()) -> None:
        """The speaker of the open turn is silent.

        Args:
            open_words: those that are not committed, as they would stand for good.
        """
        turn = self._turn
        if turn is None:
            return
        self._pause = _Pause(since, evidence)
        if len(open_words) == len(turn.tentative):
            pairs = zip(turn.tentative, open_words, strict=True)
            turn.tentative = [replace(word, text=whole.text) for word, whole in pairs]

    def resumed(self, sample: int) -> Iterator[TurnChanged]:
        """Somebody speaks."""
        pause, self._pause = self._pause, None
        if self._turn is not None and pause is not None and pause.eager:
            sure = 1 - confidence(pause.evidence, ms_from_samples(sample - pause.since))
            yield self._changed(self._turn, "resumed", sample, sure)

    def waited(self, sample: int) -> Iterator[TurnChanged]:
        """Nobody has spoken in the pause up to `sample`."""
        eager = self.options.eager_threshold
        if self._turn is None or self._pause is None or self._pause.eager or eager is None:
            return
        sure = self._confidence(sample)
        if eager <= sure < self.options.threshold:
            self._pause.eager = True
            yield self._changed(self._turn, "eager_end", self._pause.since, sure)

    def end_due(self, sample: int) -> TurnCause | None:
        """Why the turn is over at `sample`; None: it is not."""
        turn, options = self._turn, self.options
        if turn is None:
            return None
        if self._pause is not None:
            if self._confidence(sample) >= options.threshold:
                return "confidence"
            if ms_from_samples(sample - self._pause.since) >= options.timeout_ms:
                return "timeout"
        too_long = ms_from_samples(sample - turn.start_sample) >= options.max_turn_ms
        return "length" if too_long else None

    def end(self, sample: int, cause: TurnCause) -> Iterator[TurnChanged]:
        """The open turn is over, with the words that are committed."""
        turn, pause = self._turn, self._pause
        if turn is None:
            return
        sure = 1.0 if cause == "finalize" else self._confidence(sample)
        end = sample if pause is None else pause.since
        self._turn = self._pause = None
        turn.tentative = []
        if turn.committed:
            self._next_word_id = turn.committed[-1].id + 1
        yield self._changed(turn, "end", end, sure, cause)

    def _confidence(self, sample: int) -> float:
        """That the turn is over; 0 while somebody speaks."""
        if self._pause is None:
            return 0.0
        return confidence(self._pause.evidence, ms_from_samples(sample - self._pause.since))

    def _changed(
        self, turn: _Turn, edge: TurnEdge, end: int, sure: float, cause: TurnCause | None = None
    ) -> TurnChanged:
        words = (*turn.committed, *turn.tentative)
        return TurnChanged(edge, turn.id, turn.start_sample, end, words, sure, cause)
