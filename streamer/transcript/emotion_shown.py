"""How much of the voice captions show: one setting of four stops, for every export and view."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from streamer.models.emotion.track import NEUTRAL, UNKNOWN

LOUD_DB: Final = 6.0
"""Above the speaker's running level; one word in fifty of calm reading is as loud."""
SOFT_DB: Final = -10.0
"""As rare."""


class EmotionShown(StrEnum):
    OFF = "off"
    """The words alone."""
    SUBTLE = "subtle"
    """A small word at a segment that surely is emotional."""
    FULL = "full"
    """The label of every segment."""
    VOICE = "voice"
    """As `SUBTLE`, and loud and soft words look so."""


def is_sure(label: str | None) -> bool:
    """Whether it names an emotion: an unsure one is not told as a label at all."""
    return label not in (None, NEUTRAL, UNKNOWN)


def volume(loudness_db: float | None) -> str:
    """`loud`, `soft`, or nothing for the words between them."""
    if loudness_db is None or SOFT_DB < loudness_db < LOUD_DB:
        return ""
    return "loud" if loudness_db >= LOUD_DB else "soft"
