"""How words are shown that may still change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.transcript.ledger import Decision, NewWord


@dataclass(frozen=True, slots=True)
class _Shown:
    """A word as it is shown; see `streamer.transcript.ledger.NewWord`."""

    text: str
    start_sample: int
    end_sample: int
    confidence: float
    decision: Decision | None


def without_full_stop(words: Sequence[NewWord]) -> Sequence[NewWord]:
    """The words, the last without the full stop that it has only because the sound ends there.

    A question mark is heard in the voice and stays; so do the dots of "U.S." and of "...".
    """
    if not words:
        return words
    last = words[-1]
    text = last.text.removesuffix(".")
    if text in ("", last.text) or "." in text:
        return words
    shown = _Shown(text, last.start_sample, last.end_sample, last.confidence, last.decision)
    return (*words[:-1], shown)
