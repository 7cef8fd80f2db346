"""Committed words on disk, so that a session outlives its server."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from streamer.hosting.store_file import StoreError, StoreFile
from streamer.hosting.stored_session import StoredEnd, StoredSession
from streamer.protocol.messages import StartMessage
from streamer.protocol.replica_names import name_of
from streamer.transcript.ledger import Word

logger = logging.getLogger(__name__)


class SessionStore(ABC):
    """Written by one thread of its own. If that fails, what it has on disk is deleted and the store
    is off: a store with holes would give words twice.

    Sessions are known by their names, without the replica that their ids tell.
    """

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        """`now_s`: the wall clock."""
        self._now_s = now_s
        self._usable = True
        self._thread = ThreadPoolExecutor(1, "store")

    @property
    def usable(self) -> bool:
        """Whether what is written is kept."""
        return self._usable

    def begin(self, session_id: str, token: str, follow_id: str, start: StartMessage) -> None:
        """Write down that there is a session. Returns at once."""
        name, moment_s = name_of(session_id), self._now_s()

        def work() -> None:
            file = self._new_file(name)
            with file.transaction():
                file.begin(name, token, follow_id, start, moment_s)

        self._submit(work)

    async def write(
        self,
        session_id: str,
        seq: int,
        positions: Sequence[int],
        lost_samples: int,
        words: Sequence[Word] = (),
        end: StoredEnd | None = None,
        channel: int = 0,
        next_word_id: int | None = None,
        next_segment_id: int | None = None,
    ) -> None:
        """Returns when it is on disk, or the store is off.

        Args:
            positions: of the channels.
            words: of the event `seq`, in `channel`.
            next_word_id: words from this one on are not of the segment that ends, as they were
                said to be, but of `next_segment_id`.
        """
        name, moment_s = name_of(session_id), self._now_s()

        def work() -> None:
            file = self._file(name)
            if file is None:
                return
            with file.transaction():
                file.write(
                    name,
                    seq,
                    positions,
                    lost_samples,
                    words,
                    end,
                    channel,
                    next_word_id,
                    next_segment_id,
                    moment_s,
                )

        await asyncio.wrap_future(self._submit(work))

    @abstractmethod
    async def recall(self, session_id: str, token_hash: bytes) -> StoredSession | None:
        """What a server that died left of a session, for the client with that resume token. The
        caller is to `claim` or to `release` it.

        Raises:
            FileInUseError: another server has it.
        """

    @abstractmethod
    def claim(self, session_id: str) -> bool:
        """Its client is back, and whoever goes on with it deletes it in the end. False: its time
        is over."""

    @abstractmethod
    async def release(self, session_id: str) -> None:
        """Another server may go on with it."""

    @abstractmethod
    async def take(self, session: StoredSession) -> None:
        """Write down a session that another server handed over.

        Raises:
            FileInUseError: a third one has it.
        """

    @abstractmethod
    def delete(self, session_id: str) -> None:
        """Nobody will go on with it. Returns at once."""

    @abstractmethod
    def close(self) -> None:
        """Wait until all is written. What is there stays, for the next server."""

    @abstractmethod
    def _file(self, name: str) -> StoreFile | None:
        """Where a session is kept. In the store's thread."""

    @abstractmethod
    def _new_file(self, name: str) -> StoreFile:
        """Where a session is to be kept. In the store's thread.

        Raises:
            StoreError
        """

    @abstractmethod
    def _delete_all(self) -> None:
        """What is on disk. In the store's thread."""

    def _submit(self, work: Callable[[], object]) -> Future[None]:
        return self._thread.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], object]) -> None:
        if not self._usable:
            return
        try:
            work()
        except (sqlite3.Error, StoreError) as error:
            self._usable = False
            logger.error(
                "the store cannot be written (%s): it is deleted, and off until the server starts "
                "again; sessions go on, but do not outlive the server",
                error,
            )
            self._delete_all()
