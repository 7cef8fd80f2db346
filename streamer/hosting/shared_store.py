"""The store of servers that stand in for each other: a folder with a file for each session.

A session belongs to the server that has its file open, and the operating system sees to it that
only one has, and that a server which dies has it no more. So the next one goes on where the words
end, and two never go on with the same session.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from streamer.hosting.session_store import SessionStore
from streamer.hosting.store_file import FileInUseError, StoreError, StoreFile
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.replica_names import name_of
from streamer.runtime.faults import fault_line

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".db"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Of a session: clients say what they like."""
_TRIES: Final = 10
_TRY_EVERY_S: Final = 0.1
"""A server that only looks at a file lets go of it at once."""

_T = TypeVar("_T")


class SharedStore(SessionStore):
    """Of a local disk, or of a shared one on which locks hold (`fcntl`; NFS from version 4 on)."""

    def __init__(self, folder: Path, keep_s: float, now_s: Callable[[], float] = time.time) -> None:
        """Open or create the folder.

        Args:
            keep_s: what is older may be gone; it is deleted before it is twice as old, by
                whichever server runs.
            now_s: the wall clock.

        Raises:
            StoreError
        """
        super().__init__(now_s)
        self._folder = folder
        self._keep_s = keep_s
        self._files: dict[str, StoreFile] = {}
        """This server's, by the names of their sessions. Of the store's thread."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be used: {error.strerror}") from error
        probe = StoreFile(folder / f"probe-{secrets.token_hex(8)}{_SUFFIX}")
        probe.close(delete=True)
        self._closing = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep_regularly, daemon=True)
        self._sweeper.start()

    async def recall(self, session_id: str, token_hash: bytes) -> StoredSession | None:
        name = name_of(session_id)

        def work() -> StoredSession | None:
            if not self._usable or name in self._files:
                return None  # another connection asked too, and goes on with it
            try:
                file = StoreFile(self._path(name), create=False, wait_s=0.0)
            except FileNotFoundError:
                return None
            found = self._read(file, name, token_hash)
            if found is None:
                file.close()
            else:
                self._files[name] = file
            return found

        if _NAME.fullmatch(name) is None:
            return None
        found = await self._tried(work)
        return None if found is None else replace(found, id=session_id)

    def claim(self, session_id: str) -> bool:
        return True  # the file is open

    async def release(self, session_id: str) -> None:
        name = name_of(session_id)

        def work() -> None:
            file = self._files.pop(name, None)
            if file is not None:
                with file.transaction():
                    file.touch(self._now_s())
                file.close()

        await asyncio.wrap_future(self._submit(work))

    async def take(self, session: StoredSession) -> None:
        name = name_of(session.id)

        def write() -> None:
            with self._new_file(name).transaction():
                self._files[name].put(name, session, self._now_s())

        def work() -> None:
            if self._usable:
                self._new_file(name)
            self._guarded(write)

        await self._tried(work)

    def delete(self, session_id: str) -> None:
        name = name_of(session_id)

        def work() -> None:
            file = self._files.pop(name, None)
            if file is not None:
                with file.transaction():
                    file.delete([name])
                file.close(delete=True)

        self._submit(work)

    def close(self) -> None:
        self._closing.set()
        self._sweeper.join()
        self._thread.submit(self._let_go).result()
        self._thread.shutdown()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _file(self, name: str) -> StoreFile | None:
        return self._files.get(name)

    def _new_file(self, name: str) -> StoreFile:
        if name not in self._files:
            self._files[name] = StoreFile(self._path(name), wait_s=0.0)
        return self._files[name]

    def _delete_all(self) -> None:
        self._let_go(delete=True)

    def _let_go(self, *, delete: bool = False) -> None:
        for file in self._files.values():
            file.close(delete=delete)
        self._files.clear()

    async def _tried(self, work: Callable[[], _T]) -> _T:
        """In the store's thread; again while another server looks at the file.

        Raises:
            StoreError
        """
        for _ in range(_TRIES - 1):
            try:
                return await asyncio.wrap_future(self._thread.submit(work))
            except FileInUseError:
                await asyncio.sleep(_TRY_EVERY_S)
        return await asyncio.wrap_future(self._thread.submit(work))

    def _read(self, file: StoreFile, name: str, token_hash: bytes) -> StoredSession | None:
        """None: it is gone, or the token is wrong."""
        try:
            with file.transaction():
                file.expire(self._keep_s, self._now_s())
                kept = file.token_hash(name)
                if kept is None or not secrets.compare_digest(kept, token_hash):
                    return None
                return file.read(name)
        except (sqlite3.Error, ValidationError) as error:
            logger.error("%s is damaged (%s)", file.path, fault_line(error))
            return None

    def _sweep_regularly(self) -> None:
        while not self._closing.wait(self._keep_s):
            self._thread.submit(self._sweep).result()

    def _sweep(self) -> None:
        """Delete what nobody came back for. In the store's thread."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.stem in self._files or not self._is_late(path):
                continue
            try:
                file = StoreFile(path, create=False, wait_s=0.0)
            except (StoreError, FileNotFoundError):
                continue  # its server lives, or another one sweeps
            nothing_left = False
            try:
                with file.transaction():
                    file.expire(self._keep_s, self._now_s())
                    nothing_left = not file.names()
            except sqlite3.Error as error:
                logger.error("%s is damaged (%s)", path, fault_line(error))
            file.close(delete=nothing_left)

    def _is_late(self, path: Path) -> bool:
        """Whether it was not written for long: what is written first is next to it."""
        try:
            written_s = max(
                one.stat().st_mtime for one in (path, Path(f"{path}-wal")) if one.exists()
            )
        except (OSError, ValueError):
            return False  # deleted meanwhile
        return not abs(self._now_s() - written_s) < self._keep_s
