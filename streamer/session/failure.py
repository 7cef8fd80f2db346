"""What a client is told when its session breaks."""

from __future__ import annotations

from typing import Final

from streamer.models.errors import NoRoomError

_OVER: Final = (
    "and this session is over; what was committed stays valid, start a new session to go on"
)


class SessionFailedError(RuntimeError):
    """The recognizer broke; the message is for the client, the cause is in the log."""


def failure_by(error: Exception) -> SessionFailedError:
    """What is said of an error of the recognizer's."""
    if isinstance(error, NoRoomError):
        return SessionFailedError(f"the graphics card has no memory left {_OVER}, later")
    return SessionFailedError(f"the recognizer failed {_OVER}")
