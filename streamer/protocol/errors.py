"""What a client is told when something goes wrong."""

from __future__ import annotations

from streamer.protocol.messages import CLOSE_CODES, ErrorCode


class ProtocolError(Exception):
    """The client broke the protocol; the message tells it what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def fatal(self) -> bool:
        return self.code in CLOSE_CODES


def shutting_down() -> ProtocolError:
    return ProtocolError(
        ErrorCode.SHUTTING_DOWN, "the server is shutting down; connect again later"
    )


def too_many_sessions(max_sessions: int) -> ProtocolError:
    return ProtocolError(
        ErrorCode.TOO_MANY_SESSIONS,
        f"all {max_sessions} sessions are taken; try again later",
    )


def broken() -> ProtocolError:
    return ProtocolError(
        ErrorCode.INTERNAL, "the server failed to read a message; start a new session"
    )


def session_expired() -> ProtocolError:
    return ProtocolError(
        ErrorCode.SESSION_EXPIRED,
        "this session cannot be resumed (any more); start a new one and send the audio again "
        "that is not captioned yet",
    )
