"""What a session may hold, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionLimits:
    outbox_events: int = 256
    """No step begins while this many events wait for the client to read."""
    max_backlog_s: float = 15.0
    """Unprocessed audio beyond which `room` holds the caller back."""
    recording: bool = False
    """The audio is not live: hold the caller back for as long as it takes, lose nothing.
    A live caller is held back only while its audio runs ahead of real time."""
    live_slack_s: float = 2.0
    """How far live audio may run ahead of the wall clock; covers jitter and bursts."""
    quiet_s: float = 10.0
    """A live client that is there and sends no audio for this long has paused: what it said
    becomes final."""
