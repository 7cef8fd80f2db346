"""What becomes of a session that outlives its connections."""

from __future__ import annotations

from enum import Enum
from typing import Final


class SessionState(Enum):
    LIVE = "live"  # takes audio
    FINISHING = "finishing"  # no more audio; its finals are on their way
    ABANDONED = "abandoned"  # as finishing, but for followers alone: its client will not come back
    CANCELLED = "cancelled"  # ends without finals; its client will not come back
    ENDED = "ended"  # its client may still fetch what came last
    GONE = "gone"  # ended, and nobody may fetch anything

    @property
    def lost(self) -> bool:
        """Its client will not come back, or would find nothing."""
        return self in {SessionState.ABANDONED, SessionState.CANCELLED, SessionState.GONE}


_TRANSITIONS: Final = {
    SessionState.LIVE: {
        SessionState.FINISHING,
        SessionState.ABANDONED,
        SessionState.CANCELLED,
        SessionState.ENDED,  # the recognizer broke
    },
    SessionState.FINISHING: {
        SessionState.ABANDONED,
        SessionState.CANCELLED,
        SessionState.ENDED,
    },
    SessionState.ABANDONED: {SessionState.CANCELLED, SessionState.GONE},
    SessionState.CANCELLED: {SessionState.GONE},
    SessionState.ENDED: {SessionState.GONE},
    SessionState.GONE: set[SessionState](),
}


class IllegalSessionTransitionError(RuntimeError):
    """A bug in whoever moves the session."""


def checked(now: SessionState, then: SessionState) -> SessionState:
    """The state `then`. Raises IllegalSessionTransitionError: it cannot follow `now`."""
    if then not in _TRANSITIONS[now]:
        raise IllegalSessionTransitionError(f"{now.value} → {then.value}")
    return then
