"""Cardinals, ordinals, money and percentages.

Small numbers are words, as most style guides have it, unless something tells that they are figures.
"""

from __future__ import annotations

from typing import Final

from streamer.transcript.written.said import Number, Sentence
from streamer.transcript.written.spans import Piece, Span, one_piece
from streamer.transcript.written.vocabulary import CENTS, DOLLARS, EUROS, SCALES, SMALL_NUMBERS

_FIRST_IN_FIGURES: Final = 10
_RANGES: Final = frozenset({"to", "or"})
_BEFORE_A_RANGE_OF_ONE: Final = frozenset({"from", "of", "between"})


def money(said: Sentence, at: int) -> Span | None:
    """ "twenty five dollars and fifty cents", "a million euros"."""
    number = _amount(said, at)
    if number is None:
        return None
    value, last = _scaled(said, number)
    unit = said.key(last) if said.joins(last) else ""
    sign = "$" if unit in DOLLARS else "\u20ac" if unit in EUROS else ""
    if sign:
        cents, end = _and_cents(said, last + 1)
        if " " not in value:
            return one_piece("money", at, end, f"{sign}{value}{cents}")
        figures, scale = value.split(" ")
        return Span("money", (Piece(at, last - 1, sign + figures), Piece(last - 1, end, scale)))
    if unit in CENTS:
        return one_piece("money", at, last, value)
    return None


def percentage(said: Sentence, at: int) -> Span | None:
    """ "two point five percent", "five per cent"."""
    number = _amount(said, at)
    if number is None or not said.joins(number.last):
        return None
    unit, last = said.key(number.last), number.last
    if unit == "percent":
        last += 1
    elif unit == "per" and said.key(last + 1) == "cent" and said.joins(last + 1):
        last += 2
    else:
        return None
    return one_piece("percent", at, last, f"{grouped(number.figures)}%")


def cardinal(said: Sentence, at: int) -> Span | None:
    number = _amount(said, at)
    if number is None or number.bare or number.in_figures or _shares_scale(said, number):
        return None
    value, last = _scaled(said, number)
    if " " in value:
        figures, scale = value.split(" ")
        return Span("number", (Piece(at, last - 1, figures), Piece(last - 1, last, scale)))
    if number.n_digits == 1:
        return None
    return one_piece("number", at, last, value)


def small_range(said: Sentence, at: int) -> Span | None:
    """ "five to ten percent": the small number as the other is."""
    number = said.number(at)
    if number is None or number.n_digits != 1 or number.in_figures:
        return None
    if said.key(number.last) not in _RANGES or not said.joins(number.last):
        return None
    if number.value == 1 and said.key(at - 1) not in _BEFORE_A_RANGE_OF_ONE:
        return None
    other = number.last + 1
    if not said.joins(other):
        return None
    following = percentage(said, other) or money(said, other) or cardinal(said, other)
    return None if following is None else one_piece("number", at, number.last, number.figures)


def ordinal(said: Sentence, at: int) -> Span | None:
    """From the tenth on; but a "tenth" may be a part of something."""
    number = said.number(at)
    if number is None or not number.ordinal or number.value < _FIRST_IN_FIGURES:
        return None
    is_single = number.last - number.first == 1 and "-" not in said.key(at)
    if is_single and said.key(at - 1) in ("a", "an", "one"):
        return None
    return one_piece("ordinal", at, number.last, grouped(number.figures))


def grouped(figures: str) -> str:
    """With commas between thousands."""
    whole, point, rest = figures.partition(".")
    digits = whole.rstrip("stndrh")
    return f"{int(digits):,}{whole[len(digits) :]}{point}{rest}"


def _amount(said: Sentence, at: int) -> Number | None:
    number = said.number(at)
    return None if number is None or number.ordinal else number


def _shares_scale(said: Sentence, number: Number) -> bool:
    """ "two or three hundred" is neither two nor, in figures, what was said."""
    first, last = number.first, number.last
    is_scaled = last - first == 2 and said.key(first + 1) in SCALES
    is_range = said.key(first - 1) in _RANGES and said.key(first - 2) in SMALL_NUMBERS
    return is_scaled and is_range and said.joins(first) and said.joins(first - 1)


def _scaled(said: Sentence, number: Number) -> tuple[str, int]:
    """The figures, millions as people read them ("1.2 million"), and where they end.

    The word for the millions is a word of its own.
    """
    last = number.last
    scale = said.key(last)
    is_decimal = not number.n_digits or number.in_figures
    if is_decimal and SCALES.get(scale, 0) >= 6 and said.joins(last):
        return f"{grouped(number.figures)} {scale}", last + 1
    if number.n_digits and said.key(last - 1) in SCALES and last - number.first > 1:
        for name, noughts in reversed(SCALES.items()):
            if noughts >= 6 and number.value >= 10**noughts:
                short = f"{number.value / 10**noughts:.2f}".rstrip("0").rstrip(".")
                if round(float(short) * 10**noughts) == number.value:
                    return f"{short} {name}", last
                break
    return grouped(number.figures), last


def _and_cents(said: Sentence, at: int) -> tuple[str, int]:
    """With where they end; `at` if there are none."""
    first = at + (said.key(at) == "and")
    cents = said.number(first)
    if cents is None or not said.joins(at) or not said.joins(first) or not cents.n_digits:
        return "", at
    if cents.value >= 100 or said.key(cents.last) not in CENTS or not said.joins(cents.last):
        return "", at
    return f".{int(cents.value):02d}", cents.last + 1
