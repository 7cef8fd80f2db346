"""Word error rate: how many words a transcript got wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "`": "'"})
_NOT_A_WORD: Final = re.compile(r"[^\w']+")
_SPELLED_OUT: Final = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Counts that add up over clips."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference_words: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference word; without any, 0 if nothing was heard, else 1."""
        if self.reference_words == 0:
            return float(self.errors > 0)
        return self.errors / self.reference_words

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference_words + other.reference_words,
        )


def normalize(text: str) -> list[str]:
    """Words in lower case without punctuation; apostrophes inside words stay."""
    cleaned = _NOT_A_WORD.sub(" ", text.lower().translate(_APOSTROPHES).replace("_", " "))
    words = (word.strip("'") for word in cleaned.split())
    return [_SPELLED_OUT.get(word, word) for word in words if word]


def word_errors(reference: str, transcript: str) -> WordErrors:
    """Errors of the alignment with the fewest of them, after normalizing both texts."""
    return align(normalize(reference), normalize(transcript))


def align(reference: Sequence[str], transcript: Sequence[str]) -> WordErrors:
    """Errors of the alignment with the fewest of them; words are compared as they stand."""
    # One row of the edit-distance table, each cell (errors, substitutions, deletions, insertions).
    row = [(i, 0, 0, i) for i in range(len(transcript) + 1)]
    for n_deleted, expected in enumerate(reference, start=1):
        diagonal, row[0] = row[0], (n_deleted, 0, n_deleted, 0)
        for i, heard in enumerate(transcript, start=1):
            above, left = row[i], row[i - 1]
            total, subs, dels, ins = diagonal
            wrong = int(expected != heard)
            row[i] = min(
                (total + wrong, subs + wrong, dels, ins),
                (above[0] + 1, above[1], above[2] + 1, above[3]),
                (left[0] + 1, left[1], left[2], left[3] + 1),
            )
            diagonal = above
    _, subs, dels, ins = row[-1]
    return WordErrors(subs, dels, ins, len(reference))
