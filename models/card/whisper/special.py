"""What is special about a Whisper among those that have its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Special:
    """What a folder's configuration says about tokens and heads."""

    multilingual: bool
    closed: Sequence[int]
    """Tokens that may not be said."""
    heads: Sequence[tuple[int, int]]
    """Layer and head of the cross-attention that follows the sound."""
    median_width: int
