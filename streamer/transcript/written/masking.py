"""Which words may not be told: numbers, those of cards and people, and swear words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from streamer.transcript.written.options import Redaction
from streamer.transcript.written.said import Sentence
from streamer.transcript.written.spans import Span
from streamer.transcript.written.vocabulary import NOUGHTS, REPEATS

MASK: Final = "****"
_MIN_STRING_DIGITS: Final = 3
"""Groups of a card's number are said with pauses, and each may be all that is seen of it."""
_MIN_FIGURES: Final = 4
_CARD_CUES: Final = frozenset({"cvv", "cvc", "security", "expires", "expiry", "expiration"})
_CUE_REACH_WORDS: Final = 6
_HARMLESS: Final = frozenset({"clock", "money", "percent"})


def secrets(
    said: Sentence, spans: Sequence[Span], redact: frozenset[Redaction], open_from: int
) -> set[int]:
    """Words that are masked, by their places.

    Args:
        open_from: what is said from here on may still become part of any number.
    """
    if not redact:
        return set()
    numeric = _numeric(said, spans)
    if "numbers" in redact:
        return numeric
    found = {at for at in numeric if at >= open_from}
    for run in _runs(said, numeric - _within(spans, _HARMLESS)):
        if _is_string(said, run, spans):
            found.update(run)
    if "pci" in redact:
        found.update(at for at in numeric if _is_cued(said, at))
    return found


def _numeric(said: Sentence, spans: Sequence[Span]) -> set[int]:
    """All that is a number or part of one, but "one" alone, which seldom is."""
    found = {at for span in spans for at in range(span.first, span.last)}
    for at in range(len(said)):
        number = said.number(at)
        if number is not None and not (number.ordinal and number.value < 10):
            found.update(range(number.first, number.last))
        elif any(char.isdigit() for char in said.key(at)):
            found.add(at)
    for at in range(len(said)):
        follows = at - 1 in found and said.joins(at)
        leads = at + 1 in found and said.joins(at + 1)
        if said.key(at) in NOUGHTS | REPEATS.keys() and (follows or leads):
            found.add(at)
        elif said.key(at) == "one" and _is_alone(said, spans, at):
            found.discard(at)
    return found


def _is_alone(said: Sentence, spans: Sequence[Span], at: int) -> bool:
    if any(span.first <= at < span.last for span in spans):
        return False
    number = said.number(at)
    if number is None or number.last - number.first > 1:
        return False
    before = {"one", "zero", "oh"} if said.joins(at) else set()
    neighbour = said.number(at - 1) is not None and said.joins(at)
    neighbour = neighbour or said.key(at - 1) in before
    return not neighbour and said.next_number(at + 1) is None and said.key(at + 1) not in NOUGHTS


def _within(spans: Iterable[Span], kinds: frozenset[str]) -> set[int]:
    return {at for span in spans if span.kind in kinds for at in range(span.first, span.last)}


def _runs(said: Sentence, places: set[int]) -> list[list[int]]:
    """Places that follow each other, with at most a comma between them."""
    runs: list[list[int]] = []
    for at in sorted(places):
        follows = runs and runs[-1][-1] == at - 1
        if follows and not said.words[at - 1].ends_sentence:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def _is_string(said: Sentence, run: list[int], spans: Sequence[Span]) -> bool:
    """Digits one after the other, or figures that are no year and no amount."""
    if any(span.kind == "digits" and span.first in run for span in spans):
        return True
    n_digits = n_parts = 0
    for at in run:
        number = said.number(at)
        figures = sum(char.isdigit() for char in said.key(at))
        if figures >= _MIN_FIGURES and not _is_amount(said.key(at)):
            return True
        if number is not None:
            n_digits, n_parts = n_digits + number.n_digits, n_parts + 1
        elif said.key(at) in NOUGHTS:
            n_digits, n_parts = n_digits + 1, n_parts + 1
    is_year = any(span.kind in ("date", "ordinal") and span.first in run for span in spans)
    return n_parts > 1 and n_digits >= _MIN_STRING_DIGITS and not is_year


def _is_amount(key: str) -> bool:
    """Or a year."""
    is_year = len(key) == 4 and key.isdigit() and key.startswith(("19", "20"))
    return is_year or "," in key or key.startswith("$")


def _is_cued(said: Sentence, at: int) -> bool:
    reach = range(max(0, at - _CUE_REACH_WORDS), at)
    return any(said.key(before) in _CARD_CUES for before in reach)
