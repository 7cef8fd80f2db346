"""Days and years: "May twenty third", "nineteen oh five", "the nineteen nineties"."""

from __future__ import annotations

from typing import Final

from streamer.transcript.written.said import Sentence
from streamer.transcript.written.spans import Span, one_piece
from streamer.transcript.written.vocabulary import (
    COUNTED,
    DECADES,
    MONTHS,
    NOUGHTS,
    SMALL_NUMBERS,
    SMALL_ORDINALS,
)

_YEAR_FOLLOWS: Final = MONTHS | {
    "in", "since", "by", "until", "before", "after", "from", "year", "early", "late", "mid",
    "circa", "around", "of", "during", "to",
}  # fmt: skip
_NO_THING: Final = frozenset({
    "", "and", "the", "a", "an", "i", "he", "she", "it", "we", "you", "they", "there", "this",
    "was", "were", "is", "when", "but", "or", "as", "for", "with", "to", "at", "on", "by", "after",
    "until", "because", "so", "that", "his", "her", "my", "our", "their", "which", "who", "had",
    "has",
})  # fmt: skip
"""Words that cannot be what there are two thousand of."""
_VERBS: Final = frozenset({"may", "march"})
_SUFFIXES: Final = {1: "st", 2: "nd", 3: "rd"}


def day(said: Sentence, at: int) -> Span | None:
    """The day of a month, before or behind it. The month stays a word of its own."""
    found = _day_number(said, at)
    if found is None:
        return None
    value, last, is_ordinal = found
    before_month = said.key(last) == "of" and said.joins(last) and said.key(last + 1) in MONTHS
    behind_month = said.key(at - 1) == "the" and said.joins(at) and said.key(at - 2) in MONTHS
    if is_ordinal and (before_month or behind_month):
        return one_piece("date", at, last, f"{value}{_suffix(value)}")
    is_free = is_ordinal or said.next_number(last) is None
    if _is_month(said, at - 1) and said.joins(at) and is_free:
        return one_piece("date", at, last, str(value))
    return None


def year(said: Sentence, at: int) -> Span | None:
    return _paired_year(said, at) or _year_of_thousands(said, at) or _decade(said, at)


def _is_month(said: Sentence, at: int) -> bool:
    key = said.key(at)
    return key in MONTHS and (key not in _VERBS or said.words[at].capital)


def _is_after_day(said: Sentence, at: int) -> bool:
    """ "May twenty third, two thousand …": the month stands before the day."""
    return any(_is_month(said, at - back) for back in (2, 3))


def _day_number(said: Sentence, at: int) -> tuple[int, int, bool] | None:
    """The value, where it ends, and whether it is an ordinal."""
    small = SMALL_ORDINALS.get(said.key(at))
    if small is not None:
        return small, at + 1, True
    number = said.number(at)
    if number is None or number.in_figures or not 1 <= number.value <= 31:
        return None
    if not number.ordinal and not number.n_digits:
        return None
    return int(number.value), number.last, number.ordinal


def _paired_year(said: Sentence, at: int) -> Span | None:
    """ "twenty twenty six", "nineteen oh five"."""
    century = said.number(at)
    if century is None or century.n_digits != 2 or not 11 <= century.value <= 20:
        return None
    rest = said.next_number(century.last)
    small = SMALL_NUMBERS.get(said.key(century.last + 1), 0)
    if rest is not None and rest.n_digits == 2:
        years, last = int(rest.value), rest.last
    elif said.key(century.last) in NOUGHTS and small and said.joins(century.last + 1):
        years, last = small, century.last + 2
    else:
        return None
    is_told = said.key(at - 1) in _YEAR_FOLLOWS
    is_counting = years == century.value + 1 and not is_told
    follows_number = said.joins(at) and said.key(at - 1) in COUNTED
    if follows_number and not _is_after_day(said, at):
        return None
    if said.next_number(last) is not None or is_counting or (century.value < 13 and not is_told):
        return None
    return one_piece("date", at, last, f"{int(century.value)}{years:02d}")


def _year_of_thousands(said: Sentence, at: int) -> Span | None:
    """ "two thousand and five", where it is a year."""
    number = said.number(at)
    if number is None or number.n_digits != 4 or number.in_figures or number.bare:
        return None
    is_told = said.key(at - 1) in _YEAR_FOLLOWS and said.joins(at)
    if not 1100 <= number.value <= 2099 or not (is_told or _is_after_day(said, at)):
        return None
    follows = said.key(number.last) if said.joins(number.last) else ""
    if follows not in _NO_THING:
        return None
    return one_piece("date", at, number.last, number.figures)


def _decade(said: Sentence, at: int) -> Span | None:
    """ "the nineteen nineties", "the eighteen hundreds", "the nineties"."""
    if said.key(at) in DECADES:
        return one_piece("date", at, at + 1, DECADES[said.key(at)])
    century = said.number(at)
    if century is None or century.n_digits != 2 or not said.joins(century.last):
        return None
    following, last = said.key(century.last), century.last + 1
    if following in DECADES:
        return one_piece("date", at, last, f"{century.figures}{DECADES[following]}")
    if following == "hundreds":
        return one_piece("date", at, last, f"{century.figures}00s")
    return None


def _suffix(value: int) -> str:
    return "th" if 10 < value < 14 else _SUFFIXES.get(value % 10, "th")
