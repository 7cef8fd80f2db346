"""When a turn is taken to be over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """Chosen by `benchmarks/turns/measure.py` on development speech."""

    threshold: float = 0.7
    """Confidence that ends a turn."""
    eager_threshold: float | None = None
    """Confidence at which an end is told early, which may be taken back; None: never."""
    timeout_ms: float = 5_000
    """A pause that ends a turn whatever was said."""
    max_turn_ms: float = 300_000
    """A turn ends after this much time: nothing may grow for ever."""
