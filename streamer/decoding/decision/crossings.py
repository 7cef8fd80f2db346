"""Texts that two listeners may have meant between them: where they differ, the words of either.

Each listener mishears in its own places. What was said is often in neither's list as a whole, but
word by word it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from rapidfuzz.distance import Levenshtein

from streamer.transcript.ledger import word_key

MAX_CROSSINGS: Final = 16
_MAX_FREE: Final = 4
"""Differences whose sides are combined freely; of more, one at a time is taken from the other."""


def crossings(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Texts that are in neither list, made of both: the best of each with all of the other, the
    likeliest pairs first. Both lists are best first. Case and marks make no other text."""
    known = {word_keys(text) for text in (*ours, *theirs)}
    found: dict[tuple[str, ...], str] = {}
    pairs = sorted(
        ((i, j) for i in range(len(ours)) for j in range(len(theirs)) if 0 in (i, j)), key=sum
    )
    for i, j in pairs:
        for text in _crossed(ours[i].split(), theirs[j].split()):
            keys = word_keys(text)
            if keys not in known:
                known.add(keys)
                found[keys] = text
            if len(found) == MAX_CROSSINGS:
                return list(found.values())
    return list(found.values())


def word_keys(text: str) -> tuple[str, ...]:
    """The words of a text without case and marks."""
    return tuple(key for word in text.split() if (key := word_key(word)))


def _crossed(ours: list[str], theirs: list[str]) -> Iterator[str]:
    """Where they agree, our words; where they differ, the words of either."""
    steps = Levenshtein.opcodes(list(map(word_key, ours)), list(map(word_key, theirs)))
    sides = [
        (ours[step.src_start : step.src_end], theirs[step.dest_start : step.dest_end])
        for step in steps
    ]
    differ = [at for at, step in enumerate(steps) if step.tag != "equal"]
    for taken in _choices(len(differ)):
        chosen = dict(zip(differ, taken, strict=True))
        words = [word for at, side in enumerate(sides) for word in side[chosen.get(at, 0)]]
        yield " ".join(words)


def _choices(n: int) -> Iterator[tuple[int, ...]]:
    """Whose words are taken at each of `n` differences: 0 ours, 1 theirs."""
    if n <= _MAX_FREE:
        yield from itertools.product((0, 1), repeat=n)
        return
    for at in range(n):
        yield tuple(int(i == at) for i in range(n))
        yield tuple(int(i != at) for i in range(n))
