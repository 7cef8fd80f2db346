"""Sessions that another server handed over, until their clients come."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamer.hosting.stored_session import StoredSession


class AdoptedSessions:
    """In memory; each is kept for a while. Event loop only."""

    def __init__(self, keep_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._now_s = now_s
        self._waiting: dict[str, tuple[StoredSession, float]] = {}

    def add(self, session: StoredSession) -> None:
        self._forget_late()
        self._waiting[session.id] = session, self._now_s() + self._keep_s

    def find(self, session_id: str) -> StoredSession | None:
        self._forget_late()
        found = self._waiting.get(session_id)
        return None if found is None else found[0]

    def claim(self, session_id: str) -> bool:
        """Its client is back. False: its time is over."""
        return self._waiting.pop(session_id, None) is not None

    def delete(self, session_id: str) -> None:
        """Nobody will go on with it."""
        self._waiting.pop(session_id, None)

    @property
    def ids(self) -> list[str]:
        """Their own, and those under which they are followed."""
        sessions = [session for session, _ in self._waiting.values()]
        return [name for session in sessions for name in (session.id, session.follow_id)]

    @property
    def places(self) -> int:
        """That they will take."""
        self._forget_late()
        return sum(session.start.channels for session, _ in self._waiting.values())

    def _forget_late(self) -> None:
        now_s = self._now_s()
        for session_id, (_, until_s) in list(self._waiting.items()):
            if until_s < now_s:
                del self._waiting[session_id]
