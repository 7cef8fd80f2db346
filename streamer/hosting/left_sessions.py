"""Sessions that another server handed over, or left in a store, until their clients come."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from streamer.hosting.session_store import SessionStore
from streamer.hosting.store_file import StoreError, token_hash
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode, ResumeMessage


class LeftSessions:
    """Those handed over are in memory; each is kept for a while. Event loop only."""

    def __init__(
        self,
        keep_s: float,
        store: SessionStore | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep_s = keep_s
        self._store = store
        self._now_s = now_s
        self._waiting: dict[str, tuple[StoredSession, float]] = {}

    def add(self, session: StoredSession) -> None:
        """It was handed over."""
        self._forget_late()
        self._waiting[session.id] = session, self._now_s() + self._keep_s

    async def find(self, message: ResumeMessage) -> StoredSession | None:
        """A session that may go on here, once it is claimed; None: there is none, or the token is
        wrong.

        Raises:
            ProtocolError: another server has it still.
        """
        self._forget_late()
        hashed = token_hash(message.resume_token)
        handed, _ = self._waiting.get(message.session_id, (None, 0.0))
        if handed is not None and not secrets.compare_digest(hashed, handed.token_hash):
            return None
        if self._store is None:
            return handed
        try:
            if handed is None:
                return await self._store.recall(message.session_id, hashed)
            await self._store.take(handed)
        except StoreError as error:
            raise ProtocolError(
                ErrorCode.TOO_MANY_SESSIONS, "another server has this session still; try again"
            ) from error
        return handed

    def claim(self, session_id: str) -> bool:
        """Its client is back, and whoever goes on with it deletes it in the end. False: its time
        is over."""
        if self._waiting.pop(session_id, None) is not None:
            return True
        return self._store is not None and self._store.claim(session_id)

    async def release(self, session_id: str) -> None:
        """It was found, but does not go on here now."""
        if self._store is not None:
            await self._store.release(session_id)

    def delete(self, session_id: str) -> None:
        """Nobody will go on with it."""
        self._waiting.pop(session_id, None)
        if self._store is not None:
            self._store.delete(session_id)

    @property
    def ids(self) -> list[str]:
        """Of those handed over: their own, and those under which they are followed."""
        sessions = [session for session, _ in self._waiting.values()]
        return [name for session in sessions for name in (session.id, session.follow_id)]

    @property
    def places(self) -> int:
        """That those handed over will take."""
        self._forget_late()
        return sum(session.start.channels for session, _ in self._waiting.values())

    def _forget_late(self) -> None:
        now_s = self._now_s()
        for session_id, (_, until_s) in list(self._waiting.items()):
            if until_s < now_s:
                del self._waiting[session_id]
