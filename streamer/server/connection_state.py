"""How far a connection is."""

from __future__ import annotations

from enum import Enum
from typing import Final


class ConnectionState(Enum):
    OPEN = "open"  # waiting for `start` or `resume`
    STREAMING = "streaming"  # audio flows
    FLUSHING = "flushing"  # no more audio; finals on their way
    CLOSED = "closed"


_TRANSITIONS: Final = {
    ConnectionState.OPEN: {ConnectionState.STREAMING, ConnectionState.CLOSED},
    ConnectionState.STREAMING: {ConnectionState.FLUSHING, ConnectionState.CLOSED},
    ConnectionState.FLUSHING: {ConnectionState.CLOSED},
    ConnectionState.CLOSED: set[ConnectionState](),
}


class IllegalTransitionError(RuntimeError):
    """A bug in whoever moves the connection."""


def checked(now: ConnectionState, then: ConnectionState) -> ConnectionState:
    """The state `then`. Raises IllegalTransitionError: it cannot follow `now`."""
    if then not in _TRANSITIONS[now]:
        raise IllegalTransitionError(f"{now.value} → {then.value}")
    return then
