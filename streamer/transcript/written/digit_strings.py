"""Digits said one by one: phone numbers, codes, card numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from streamer.transcript.written.said import Sentence
from streamer.transcript.written.spans import Span, one_piece
from streamer.transcript.written.vocabulary import NOUGHTS, REPEATS, SMALL_NUMBERS

_MIN_DIGITS: Final = 3
_MIN_DIGITS_FROM_OH: Final = 5
"""Who says "oh" may be astonished."""
_MIN_GROUPED_DIGITS: Final = 7
_MIN_LISTED_DIGITS: Final = 5
"""With a comma behind every digit, as recognizers hear those that are said slowly."""
_PHONE_GROUPS: Final = {7: (3, 4), 10: (3, 3, 4), 11: (1, 3, 3, 4)}
_CARD_DIGITS: Final = 12


def digit_string(said: Sentence, at: int) -> Span | None:
    """ "five five five one two three four", "nine one one", "double oh seven"."""
    groups, last = _groups(said, at)
    digits = "".join(groups)
    shortest = _MIN_DIGITS_FROM_OH if said.key(at) in ("oh", "o") else _MIN_DIGITS
    if len(groups) > 1:
        if len(digits) >= _MIN_GROUPED_DIGITS and min(map(len, groups)) > 1:
            return one_piece("digits", at, last, "-".join(groups))
        shortest = _MIN_LISTED_DIGITS
        if len(digits) < shortest:
            groups, last = _groups(said, at, grouped=False)
            digits = groups[0]
    if len(digits) < shortest or _is_counting(digits):
        return None
    return one_piece("digits", at, last, _parted(digits))


def _groups(said: Sentence, at: int, *, grouped: bool = True) -> tuple[list[str], int]:
    """Digits, parted where there are commas between them, and where they end."""
    groups, last = [""], at
    while last < len(said):
        if last > at and not said.joins(last):
            if not grouped or said.words[last - 1].after != "," or said.words[last].before:
                break
            is_new = True
        else:
            is_new = False
        digits, end = _digits(said, last)
        if not digits:
            break
        if is_new:
            groups.append("")
        groups[-1] += digits
        last = end
    return groups, last


def _digits(said: Sentence, at: int) -> tuple[str, int]:
    """Of one digit that is said there, or of one that is said to be repeated."""
    key = said.key(at)
    if key in REPEATS and said.joins(at + 1):
        digit, end = _digits(said, at + 1)
        return digit * REPEATS[key] if len(digit) == 1 else "", end
    if key in NOUGHTS:
        return "0", at + 1
    if key in SMALL_NUMBERS:
        return str(SMALL_NUMBERS[key]), at + 1
    return (key, at + 1) if len(key) == 1 and key.isdecimal() else ("", at)


def _is_counting(digits: str) -> bool:
    """Up or down, by ones or by others."""
    steps = {int(b) - int(a) for a, b in pairwise(digits)}
    return steps <= {1} or steps <= {-1} or (len(steps) == 1 and len(digits) > 3 and steps != {0})


def _parted(digits: str) -> str:
    """As phone and card numbers are."""
    sizes = _PHONE_GROUPS.get(len(digits), ())
    if len(digits) == 11 and not digits.startswith("1"):
        sizes = ()
    if len(digits) >= _CARD_DIGITS:
        sizes = (4,) * (len(digits) // 4)
    parts, start = [], 0
    for size in sizes:
        parts.append(digits[start : start + size])
        start += size
    return "-".join([*parts, digits[start:]] if digits[start:] else parts)
