"""Figures of one session, the same code for every peer.

A peer is seen only as what stood on its client's screen at what time. Words are compared after the
normalization of WER. Which words of the reference a text shows is told by the alignment with the
fewest errors, where reference words behind the text's end cost nothing: they are yet to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from benchmarks.serving.peers.process import Heard
from streamer.transcript.wer import WordErrors, align, normalize

Span = tuple[float, float]
"""Start and end of a word, seconds from the first sample."""


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """Delays are in milliseconds from when a word's end had been spoken."""

    text: str
    errors: WordErrors
    shown_ms: dict[int, float] = field(default_factory=dict)
    """For each reference word that was ever right: to the first text that showed it right."""
    committed_ms: dict[int, float] = field(default_factory=dict)
    """The same in committed text."""
    first_text_ms: float | None = None
    """From the *start* of the first word to the first text, right or wrong."""
    final_ms: float = 0.0
    """From the end of the last word until all committed text stood as it stood in the end."""
    changed_words: int = 0
    """Words on the screen that an update replaced or removed."""
    erased_words: int = 0
    """Words on the screen from the first that an update changed to the end of the text."""
    broken_words: int = 0
    """Committed words that were replaced or removed after all."""
    updates: int = 0
    """Updates that changed a word on the screen."""
    final_words: int = 0
    tentative: bool = False
    """Whether any text was shown that was not yet committed."""


def session_figures(heard: Heard, words: Sequence[str], spans: Sequence[Span]) -> SessionFigures:
    """What one session was like for who watched it.

    Args:
        words: of the reference, normalized.
        spans: theirs.
    """
    committed = [normalize(shot.committed) for shot in heard.snapshots]
    displayed = [normalize(f"{shot.committed} {shot.tentative}") for shot in heard.snapshots]
    times_s = [shot.at_s - heard.started_s for shot in heard.snapshots]
    first_text = next((t for t, text in zip(times_s, displayed, strict=True) if text), None)
    steps = [changes(a, b) for a, b in pairwise(displayed)]
    last = displayed[-1] if displayed else []
    return SessionFigures(
        text=" ".join(last),
        errors=align(words, last),
        shown_ms=_delays_ms(times_s, displayed, words, spans),
        committed_ms=_delays_ms(times_s, committed, words, spans),
        first_text_ms=None if first_text is None else 1000 * (first_text - spans[0][0]),
        final_ms=1000 * (_settled_s(times_s, committed) - spans[-1][1]),
        changed_words=sum(changed for changed, _ in steps),
        erased_words=sum(erased for _, erased in steps),
        broken_words=sum(changes(a, b)[0] for a, b in pairwise(committed)),
        updates=sum(a != b for a, b in pairwise([[], *displayed])),
        final_words=len(last),
        tentative=any(normalize(shot.tentative) for shot in heard.snapshots),
    )


def changes(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """Words of `before` that are replaced or gone, and all from the first such word on."""
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    if same == len(before):
        return 0, 0
    errors = align(before[same:], after[same:])
    return errors.substitutions + errors.deletions, len(before) - same


def matches(text: Sequence[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Positions in the text and in the reference of the words that are right and in place."""
    if not text or not words:
        return []
    columns = np.arange(len(words) + 1)
    numbers = {word: i for i, word in enumerate(dict.fromkeys([*text, *words]))}
    reference = np.array([numbers[word] for word in words])
    table = np.empty((len(text) + 1, len(words) + 1), np.int32)
    table[0] = columns
    for i, word in enumerate(text, start=1):
        table[i, 0] = i
        replaced = table[i - 1, :-1] + (reference != numbers[word])
        table[i, 1:] = np.minimum(replaced, table[i - 1, 1:] + 1)
        # A reference word left out costs one: the cheapest start of such a run, wherever it is.
        table[i] = np.minimum.accumulate(table[i] - columns) + columns
    i, j = len(text), int(np.argmin(table[-1]))
    found = []
    while i and j:
        same = text[i - 1] == words[j - 1]
        if table[i, j] == table[i - 1, j - 1] + (not same):
            i, j = i - 1, j - 1
            if same:
                found.append((i, j))
        elif table[i, j] == table[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _delays_ms(
    times_s: Sequence[float],
    texts: Sequence[list[str]],
    words: Sequence[str],
    spans: Sequence[Span],
) -> dict[int, float]:
    """A word shown before it began is a lucky guess or a wrong match, and does not count."""
    first_s: dict[int, float] = {}
    before: list[str] | None = None
    for at_s, text in zip(times_s, texts, strict=True):
        if text == before:
            continue
        before = text
        for _, i in matches(text, words):
            if at_s >= spans[i][0]:
                first_s.setdefault(i, at_s)
    return {i: 1000 * (at_s - spans[i][1]) for i, at_s in sorted(first_s.items())}


def _settled_s(times_s: Sequence[float], texts: Sequence[list[str]]) -> float:
    """When a text came to stand as it stood at the end; 0 without any."""
    settled = 0.0
    for i in range(len(texts) - 1, -1, -1):
        if texts[i] != texts[-1]:
            break
        settled = times_s[i]
    return settled
