"""A word on its way into the ledger, as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.transcript.ledger import Decision, NewWord


@dataclass(frozen=True, slots=True)
class WrittenWord:
    """See `streamer.transcript.ledger.NewWord`."""

    text: str
    start_sample: int
    end_sample: int
    confidence: float
    decision: Decision | None


def with_text(word: NewWord, text: str) -> NewWord:
    """The word, written like that."""
    if word.text == text:
        return word
    return WrittenWord(text, word.start_sample, word.end_sample, word.confidence, word.decision)


def undecided(word: NewWord) -> NewWord:
    """The word without what else it might have been."""
    if word.decision is None:
        return word
    return WrittenWord(word.text, word.start_sample, word.end_sample, word.confidence, None)


def as_one(words: Sequence[NewWord], text: str) -> NewWord:
    """One word in their place, from the start of the first to the end of the last. It is as sure
    as the least sure of them."""
    if len(words) == 1:
        return with_text(words[0], text)
    confidence = min(word.confidence for word in words)
    return WrittenWord(text, words[0].start_sample, words[-1].end_sample, confidence, None)
