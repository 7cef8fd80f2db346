"""Words as they were said, apart from the marks around them, and the numbers among them."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import text_to_num

from streamer.transcript.written.vocabulary import (
    COUNTED,
    MONTHS,
    SCALES,
    TENS,
    UNCOUNTED,
)

_MARKS: Final = "".join(set(string.punctuation) - set("$%*")) + "\u201c\u201d\u2018\u2019\u2026"
_FIGURES: Final = re.compile(r"\d+(\.\d+)?|\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class SaidWord:
    """A word without the marks around it, and these."""

    key: str
    """In lower case."""
    before: str
    after: str
    capital: bool
    """Whether it begins with one."""

    @property
    def ends_sentence(self) -> bool:
        return self.after.startswith((".", "!", "?", "\u2026"))


@dataclass(frozen=True, slots=True)
class Number:
    """A number of one word or several: those from `first` until before `last`."""

    first: int
    last: int
    figures: str
    """Without separators: `105`, `2.5`; an ordinal as `21st`."""
    ordinal: bool
    in_figures: bool = False
    """Whether it was in figures already."""
    bare: bool = False
    """"a hundred", "a million": as often a manner of speaking."""

    @property
    def value(self) -> float:
        return float(self.figures.rstrip("stndrh"))

    @property
    def n_digits(self) -> int:
        """0 for what is no whole number."""
        return len(self.figures) if self.figures.isdigit() else 0


def said_word(text: str) -> SaidWord:
    core = text.strip(_MARKS)
    before, _, after = text.partition(core) if core else ("", "", text)
    key = core.lower().replace("\u2019", "'")
    return SaidWord(key, before, after, core[:1].isupper())


class Sentence:
    """Some words in a row, with what is known of their numbers."""

    def __init__(self, words: Sequence[SaidWord]) -> None:
        self.words = words
        self._numbers = {number.first: number for number in _numbers(words)}

    def __len__(self) -> int:
        return len(self.words)

    def key(self, at: int) -> str:
        """Empty where there is no word."""
        return self.words[at].key if 0 <= at < len(self.words) else ""

    def number(self, at: int) -> Number | None:
        """The one that begins there."""
        return self._numbers.get(at)

    def joins(self, at: int) -> bool:
        """Whether the word there follows the one before it without a mark."""
        return 0 < at < len(self.words) and not (self.words[at - 1].after or self.words[at].before)

    def next_number(self, at: int) -> Number | None:
        """The one that begins there and follows the word before it without a mark."""
        return self.number(at) if self.joins(at) else None


@dataclass(frozen=True, slots=True)
class _Token:
    """As `text_to_num` wants words."""

    key: str
    separated: bool
    no_number: bool

    def text(self) -> str:
        return self.key

    def nt_separated(self, previous: _Token) -> bool:
        return self.separated

    def not_a_number_part(self) -> bool:
        return self.no_number


class _Found(Protocol):
    """As `text_to_num` tells numbers."""

    start: int
    end: int
    text: str
    is_ordinal: bool


def _numbers(words: Sequence[SaidWord]) -> list[Number]:
    tokens = [
        _Token(
            word.key,
            i > 0 and bool(words[i - 1].after or word.before),
            not _may_be_part(words, i),
        )
        for i, word in enumerate(words)
    ]
    found = []
    for each in text_to_num.find_numbers(tokens, "en", 0.0):
        number = _with_article(words, each)
        if number is not None:
            found.append(number)
    for i, word in enumerate(words):
        if _FIGURES.fullmatch(word.key):
            found.append(Number(i, i + 1, word.key.replace(",", ""), False, in_figures=True))
    return found


def _with_article(words: Sequence[SaidWord], found: _Found) -> Number | None:
    """A scale alone is no number ("several thousand"), but with an article it is."""
    first, last = found.start, found.end
    if words[first].key not in SCALES:
        return Number(first, last, found.text, found.is_ordinal)
    if first == 0 or words[first - 1].key != "a" or words[first - 1].after:
        return None
    if first > 1 and words[first - 2].key in ("half", "quarter"):
        return None
    return Number(first - 1, last, found.text, found.is_ordinal, bare=last - first == 1)


def _may_be_part(words: Sequence[SaidWord], at: int) -> bool:
    key = words[at].key
    if key == "and":
        return _joins_scale(words, at)
    if key == "second":
        return _is_ordinal_second(words, at)
    return key not in UNCOUNTED


def _joins_scale(words: Sequence[SaidWord], at: int) -> bool:
    """ "and" is part of "a hundred and five", but not of "one hundred and two hundred"."""
    scale = SCALES.get(words[at - 1].key) if at else None
    if scale is None:
        return False
    behind = at + 1
    while behind < len(words) and set(words[behind].key.split("-")) <= COUNTED:
        behind += 1
    following = SCALES.get(words[behind].key, 0) if behind < len(words) else 0
    return following < scale


def _is_ordinal_second(words: Sequence[SaidWord], at: int) -> bool:
    """The "twenty second" of May, not a "twenty second" wait."""
    if at == 0 or words[at - 1].key not in TENS or words[at - 1].after:
        return False
    before = words[at - 2].key if at > 1 else ""
    after = words[at + 1].key if at + 1 < len(words) else ""
    return before in MONTHS or after == "of" or before == "the"
