"""Where an open number begins: one that the next word may still change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from streamer.transcript.written.said import SaidWord
from streamer.transcript.written.vocabulary import BEGINNING, GOING_ON

_FIGURES: Final = re.compile(r"\W?\d.*")


def open_from(words: Sequence[SaidWord]) -> int:
    """The place of its first word; behind the last word if no number is open."""
    first = at = len(words)
    while at > 0 and not words[at - 1].ends_sentence and _is_made_of(words[at - 1].key, GOING_ON):
        at -= 1
        if _is_made_of(words[at].key, BEGINNING):
            first = at
    return first


def _is_made_of(key: str, parts: frozenset[str]) -> bool:
    return _FIGURES.fullmatch(key) is not None or all(part in parts for part in key.split("-"))
