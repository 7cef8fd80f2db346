"""How words, segments and emotions are put in other protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from streamer.audio.clock import seconds_from_samples
from streamer.protocol.joining import joined
from streamer.transcript import formats
from streamer.transcript.ledger import Emotion, Word


def text_of(words: Sequence[Word]) -> str:
    return joined(word.text for word in words)


def seconds(samples: int) -> float:
    """Rounded to milliseconds."""
    return round(seconds_from_samples(samples), 3)


def utc_text(when: datetime) -> str:
    """To the millisecond, as `2026-01-31T12:00:00.000Z`."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def emotion_dict(emotion: Emotion | None) -> dict[str, Any]:
    """`unknown` stands where none was told."""
    return formats.emotion_dict(emotion or Emotion("unknown", {}))


def confidence_of(words: Sequence[Word]) -> float:
    """Mean over the words; 0 without any."""
    return round(sum(word.confidence for word in words) / len(words), 4) if words else 0.0
