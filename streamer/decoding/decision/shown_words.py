"""Which tentative words are on the screen, and when one that is there gives way to another.

A decoder that is cut off in the middle of a word guesses, and words that are about as likely take
turns. So a guess at the edge of the sound waits, and what is shown stays for a step if what the
decoder says now is less likely. What is committed is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamer.audio.clock import samples_from_ms
from streamer.decoding.words import RecognizedWord, shared_words


@dataclass(frozen=True)
class ShownOptions:
    edge_ms: float = 100
    """New words at the end are guesses if they end so near the end of the sound, or less far from
    it, and are less likely than `edge_confidence`: they are not shown yet."""
    edge_confidence: float = 0.7
    """See `edge_ms`."""
    stay_ms: float = 256
    """A word that is shown stays for so much audio if what replaces it is less likely than it was,
    or nothing does."""


class ShownWords:
    """Of one segment."""

    def __init__(self, options: ShownOptions) -> None:
        self._options = options
        self._words: list[RecognizedWord] = []
        self._doubted_since: int | None = None
        """End of the window that first had other words than those that stay."""

    @property
    def words(self) -> list[RecognizedWord]:
        return list(self._words)

    def renew(
        self, words: Sequence[RecognizedWord], window_end: int, *, at_once: bool = False
    ) -> None:
        """Show the tentative words of a window.

        Args:
            at_once: nothing stays that is not among them.
        """
        agreed = shared_words([self._words, words])
        new = self._without_guesses(words, agreed, window_end)
        staying = self._words[agreed:]
        if at_once or not staying:
            self._doubted_since = None
            self._words = new
            return
        if self._doubted_since is None:
            self._doubted_since = window_end
        waited = window_end - self._doubted_since >= samples_from_ms(self._options.stay_ms)
        likelier = len(new) > agreed and new[agreed].confidence >= staying[0].confidence
        if waited or likelier:
            self._doubted_since = None
            self._words = new
            return
        behind = [word for word in new[agreed:] if word.start_sample >= staying[-1].end_sample]
        self._words = _in_order([*new[:agreed], *staying, *behind])

    def commit(
        self, committed: Sequence[RecognizedWord], left: Sequence[RecognizedWord], window_end: int
    ) -> None:
        """Words are committed. Others than those that are shown take the rest with them.

        Args:
            left: the tentative words behind them.
        """
        if shared_words([self._words, committed]) == len(committed):
            rest = self._words[len(committed) :]
        else:
            self._doubted_since = None
            rest = self._without_guesses(left, 0, window_end)
        earliest = committed[-1].end_sample if committed else 0
        self._words = _in_order(rest, earliest)

    def clear(self) -> None:
        """Show none."""
        self._words = []
        self._doubted_since = None

    def _without_guesses(
        self, words: Sequence[RecognizedWord], n_known: int, window_end: int
    ) -> list[RecognizedWord]:
        """Those that are shown already are none."""
        edge = window_end - samples_from_ms(self._options.edge_ms)
        kept = list(words)
        while len(kept) > n_known:
            word = kept[-1]
            if word.end_sample < edge or word.confidence >= self._options.edge_confidence:
                break
            kept.pop()
        return kept


def _in_order(words: Sequence[RecognizedWord], earliest: int = 0) -> list[RecognizedWord]:
    """None begins before the one in front of it has ended: their times are of several windows."""
    placed = []
    for word in words:
        start = max(word.start_sample, earliest)
        earliest = max(word.end_sample, start)
        placed.append(replace(word, start_sample=start, end_sample=earliest))
    return placed
