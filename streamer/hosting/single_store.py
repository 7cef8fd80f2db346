"""The store of one server: a file, which the next server on this machine reads."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from streamer.hosting.session_store import SessionStore
from streamer.hosting.store_file import StoreError, StoreFile
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.replica_names import name_of


class SingleStore(SessionStore):
    """All sessions in one file. What a server that died left is read when the next one begins."""

    def __init__(self, path: Path, keep_s: float, now_s: Callable[[], float] = time.time) -> None:
        """Open or create the file, and read what is there.

        Args:
            keep_s: what is older, or not asked for after so long, is deleted.
            now_s: the wall clock.

        Raises:
            StoreError
        """
        super().__init__(now_s)
        self._claiming = threading.Lock()
        self._opened = StoreFile(path)
        try:
            self._waiting = self._read(keep_s)
        except (sqlite3.Error, ValidationError) as error:
            self._opened.close()
            raise StoreError(f"{path} is damaged ({error}); delete it and start again") from error
        self._expiry = threading.Timer(keep_s, self._expire)
        self._expiry.daemon = True
        self._expiry.start()

    def find(self, session_id: str) -> StoredSession | None:
        """A session that no client has asked for since the server began."""
        return self._waiting.get(name_of(session_id))

    async def recall(self, session_id: str, token_hash: bytes) -> StoredSession | None:
        found = self.find(session_id)
        if found is None or not secrets.compare_digest(token_hash, found.token_hash):
            return None
        return found

    def claim(self, session_id: str) -> bool:
        with self._claiming:
            return self._waiting.pop(name_of(session_id), None) is not None

    async def release(self, session_id: str) -> None:
        """It stays: nobody else can read this file."""

    async def take(self, session: StoredSession) -> None:
        name, moment_s = name_of(session.id), self._now_s()

        def work() -> None:
            with self._opened.transaction():
                self._opened.put(name, session, moment_s)

        await asyncio.wrap_future(self._submit(work))

    def delete(self, session_id: str) -> None:
        self._delete([name_of(session_id)])

    def close(self) -> None:
        self._expiry.cancel()
        self._thread.shutdown()
        self._opened.close()

    def _file(self, name: str) -> StoreFile:
        return self._opened

    def _new_file(self, name: str) -> StoreFile:
        return self._opened

    def _delete_all(self) -> None:
        self._opened.close(delete=True)

    def _delete(self, names: list[str]) -> None:
        def work() -> None:
            with self._opened.transaction():
                self._opened.delete(names)

        self._submit(work)

    def _expire(self) -> None:
        """Who has not come back by now does not."""
        with self._claiming:
            late = list(self._waiting)
            self._waiting.clear()
        self._delete(late)

    def _read(self, keep_s: float) -> dict[str, StoredSession]:
        """Raises sqlite3.Error, ValidationError."""
        file = self._opened
        with file.transaction():
            file.expire(keep_s, self._now_s())
            return {name: file.read(name) for name in file.names()}
