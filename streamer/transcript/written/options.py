"""What a client may choose about how its words are written. All of it is of English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Redaction = Literal["numbers", "pci", "ssn"]


@dataclass(frozen=True)
class WritingOptions:
    """By default words are written as they were said."""

    numbers: bool = False
    """Numbers, money, times, dates, phone numbers and percentages in figures."""
    profanity_filter: bool = False
    """Swear words are masked."""
    redact: frozenset[Redaction] = frozenset()
    """`numbers`: every number is masked. `pci` (cards) and `ssn` (social security numbers): strings
    of four digits and more, and what is said to be a card's code or date."""

    @property
    def by_number(self) -> bool:
        """Whether it matters where a number ends."""
        return self.numbers or bool(self.redact)
