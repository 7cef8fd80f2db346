"""Turns on the wire: what a client may ask for, and what it is told."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from streamer.protocol.numbers import NO_BOOLEAN
from streamer.protocol.wire import FromClient, OfChannel

DEFAULT_THRESHOLD: Final = 0.7
MIN_THRESHOLD: Final = 0.3
DEFAULT_TIMEOUT_MS: Final = 5_000.0
MIN_TIMEOUT_MS: Final = 500
MAX_TIMEOUT_MS: Final = 60_000

_Threshold = Annotated[float, Field(ge=MIN_THRESHOLD, le=1), NO_BOOLEAN]


class TurnSettings(FromClient):
    """When a speaker's turn is taken to be over."""

    threshold: _Threshold = DEFAULT_THRESHOLD
    """Confidence that ends a turn; with 1 only a long pause does."""
    eager_threshold: _Threshold | None = None
    """Confidence at which an end is told early, which may be taken back; None: never."""
    timeout_ms: Annotated[float, Field(ge=MIN_TIMEOUT_MS, le=MAX_TIMEOUT_MS), NO_BOOLEAN] = (
        DEFAULT_TIMEOUT_MS
    )
    """A pause that ends a turn whatever was said."""


class TurnEvent(OfChannel):
    """A speaker's turn began, seems to end, goes on after all, or is over.

    `confidence`: that what is told is so. `text`: of the turn so far; once it is over, committed.
    `end_ms`: of its speech. `cause`, of an end: the confidence sufficed, the pause was long, the
    client asked or stopped, or the turn grew too long.
    """

    type: Literal["turn"] = "turn"
    event: Literal["start", "eager_end", "resumed", "end"]
    turn_id: int
    start_ms: float
    end_ms: float
    text: str
    confidence: float
    cause: Literal["confidence", "timeout", "finalize", "length"] | None = None
    lag_ms: float
