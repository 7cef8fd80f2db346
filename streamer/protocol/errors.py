"""What a client is told when something goes wrong."""

from __future__ import annotations

from typing import Final

from streamer.protocol.messages import ErrorCode

CLOSE_CODES: Final[dict[ErrorCode, int]] = {
    ErrorCode.BAD_MESSAGE: 4400,
    ErrorCode.BAD_CONFIG: 4400,
    ErrorCode.NOT_STARTED: 4400,
    ErrorCode.BAD_FRAME: 4400,
    ErrorCode.BAD_MEDIA: 4400,
    ErrorCode.MESSAGE_TOO_LARGE: 1009,
    ErrorCode.RATE_LIMITED: 4429,
    ErrorCode.IDLE_TIMEOUT: 4408,
    ErrorCode.UNAUTHORIZED: 4401,
    ErrorCode.TOO_MANY_SESSIONS: 4503,
    ErrorCode.TOO_MANY_FOLLOWERS: 4503,
    ErrorCode.SESSION_EXPIRED: 4410,
    ErrorCode.TAKEN_OVER: 4409,
    ErrorCode.UNKNOWN_SESSION: 4404,
    ErrorCode.SLOW_FOLLOWER: 4413,
    ErrorCode.SHUTTING_DOWN: 1001,
    ErrorCode.INTERNAL: 1011,
}
SERVICE_RESTART: Final = 1012
"""Closes what may be opened again at once: another server answers."""


class ProtocolError(Exception):
    """The client broke the protocol; the message tells it what to do."""

    def __init__(self, code: ErrorCode, message: str, close_code: int | None = None) -> None:
        """`close_code`: of the websocket, if not the usual one."""
        super().__init__(message)
        self.code = code
        self.message = message
        self._close_code = close_code

    @property
    def fatal(self) -> bool:
        return self.code in CLOSE_CODES

    @property
    def close_code(self) -> int:
        """Of the websocket, for a fatal error."""
        return self._close_code or CLOSE_CODES[self.code]


def shutting_down() -> ProtocolError:
    return ProtocolError(
        ErrorCode.SHUTTING_DOWN, "the server is shutting down; connect again later"
    )


def others_stay() -> ProtocolError:
    return ProtocolError(
        ErrorCode.SHUTTING_DOWN, "this server ends, others stay; connect again", SERVICE_RESTART
    )


def too_many_sessions(max_sessions: int, free: int = 0) -> ProtocolError:
    """`free`: too few for a client that wants several."""
    taken = f"all but {free} of {max_sessions}" if free else f"all {max_sessions}"
    return ProtocolError(
        ErrorCode.TOO_MANY_SESSIONS, f"{taken} sessions are taken; try again later"
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
