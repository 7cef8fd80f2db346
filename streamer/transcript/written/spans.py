"""Which words are written together, and how: the rules in order, each in a file of its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamer.transcript.written.said import Sentence

Kind = Literal["clock", "money", "percent", "date", "digits", "number", "ordinal"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A written word that stands for those from `first` until before `last`."""

    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """Written words in a row that are one thing."""

    kind: Kind
    pieces: tuple[Piece, ...]

    @property
    def first(self) -> int:
        return self.pieces[0].first

    @property
    def last(self) -> int:
        return self.pieces[-1].last


Rule = Callable[[Sentence, int], Span | None]
"""What begins at a word, if it is of the rule's kind."""


def one_piece(kind: Kind, first: int, last: int, text: str) -> Span:
    return Span(kind, (Piece(first, last, text),))
