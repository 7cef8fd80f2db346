"""What a session says to whoever carries it to a client."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.transcript.events import SessionEvent


@dataclass(frozen=True, slots=True)
class Report:
    """An event and how late it is, at the moment it was made.

    `lag_ms`: age of the oldest audio that has arrived but has not been processed.
    `capture_to_emit_ms`: only on `StepDone`; age, by the client's capture stamps, of the oldest
    audio the step covered, or None if unstamped or if the clocks plainly disagree.
    `seq`: number of the event in its session, from 1; 0 where nobody numbers them.
    """

    event: SessionEvent
    lag_ms: float
    made_ns: int
    capture_to_emit_ms: float | None = None
    seq: int = 0
