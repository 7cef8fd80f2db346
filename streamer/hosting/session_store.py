"""Committed words on disk, so that a session outlives its server. One SQLite file.

Only what a client needs to go on is written: the settings of its session without its secret, a hash
of its resume token, committed words, ends of segments, and how far the audio is captioned. No
audio, no voices, no tentative words, no emotions, no addresses. What is deleted is overwritten.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from streamer.hosting.stored_session import StoredEnd, StoredSession, ends_of_unclosed
from streamer.protocol.messages import StartMessage
from streamer.protocol.voice_prints import FORGOTTEN_VOICE
from streamer.transcript.ledger import Word, WordState

logger = logging.getLogger(__name__)

_APPLICATION_ID: Final = 0x5354524D
"""Marks a file as ours."""
_VERSION: Final = 2
_KEPT_SEGMENTS: Final = 200
"""Of one session; the words of older ones are deleted."""
_UNTOLD_EVENTS: Final = 1_000
"""More than a session can number between two that are written."""
_SCHEMA: Final = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, token_hash BLOB NOT NULL, follow_id TEXT NOT NULL, start TEXT NOT NULL,
    positions TEXT NOT NULL, lost_samples INTEGER NOT NULL, seq INTEGER NOT NULL,
    written_s REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE words (
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, id INTEGER NOT NULL,
    segment INTEGER NOT NULL, text TEXT NOT NULL, start_sample INTEGER NOT NULL,
    end_sample INTEGER NOT NULL, confidence REAL NOT NULL, seq INTEGER NOT NULL,
    channel INTEGER NOT NULL, PRIMARY KEY (session, id)
) WITHOUT ROWID;
CREATE TABLE ends (
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, segment INTEGER NOT NULL,
    start_sample INTEGER NOT NULL, end_sample INTEGER NOT NULL, cause TEXT NOT NULL,
    seq INTEGER NOT NULL, channel INTEGER NOT NULL, speaker INTEGER, PRIMARY KEY (session, segment)
) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The file cannot be used; the message says why."""


class SessionStore:
    """Written by one thread of its own. If that fails, the file is deleted and the store is off:
    a store with holes would give words twice.
    """

    def __init__(self, path: Path, keep_s: float, now_s: Callable[[], float] = time.time) -> None:
        """Open or create the file, and read what a server that died left there.

        Args:
            keep_s: what is older, or not asked for after so long, is deleted.
            now_s: the wall clock.

        Raises:
            StoreError
        """
        self._path = path
        self._now_s = now_s
        self._usable = True
        self._claiming = threading.Lock()
        self._database = _opened(path)
        try:
            self._waiting = self._read(keep_s)
        except (sqlite3.Error, ValidationError) as error:
            self._database.close()
            raise StoreError(f"{path} is damaged ({error}); delete it and start again") from error
        self._thread = ThreadPoolExecutor(1, "store")
        self._expiry = threading.Timer(keep_s, self._expire)
        self._expiry.daemon = True
        self._expiry.start()

    @property
    def usable(self) -> bool:
        """Whether what is written is kept."""
        return self._usable

    def find(self, session_id: str) -> StoredSession | None:
        """A session that no client has asked for since the server began."""
        return self._waiting.get(session_id)

    def claim(self, session_id: str) -> bool:
        """Its client is back, and whoever goes on with it deletes it in the end. False: its time
        is over."""
        with self._claiming:
            return self._waiting.pop(session_id, None) is not None

    def begin(self, session_id: str, token: str, follow_id: str, start: StartMessage) -> None:
        """Write down that there is a session. Returns at once."""
        # Labels go on to be theirs, though nobody is known by them any more.
        voices = (FORGOTTEN_VOICE,) * len(start.known_voices)
        kept = start.model_copy(update={"share_secret": None, "known_voices": voices})
        settings = kept.model_dump_json()
        positions = json.dumps([0] * start.channels)
        row = (session_id, token_hash(token), follow_id, settings, positions, 0, 0, self._now_s())
        self._submit(
            lambda: self._database.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
            )
        )

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
        rows = [
            (session_id, w.id, w.segment_id, w.text, w.start_sample, w.end_sample, w.confidence)
            for w in words
        ]
        moment_s = self._now_s()

        def work() -> None:
            database = self._database
            database.execute(
                "UPDATE sessions SET seq = ?, positions = ?, lost_samples = ?, written_s = ?"
                " WHERE id = ?",
                (seq, json.dumps(list(positions)), lost_samples, moment_s, session_id),
            )
            database.executemany(
                "INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, seq, channel) for row in rows],
            )
            if end is not None:
                _insert_end(database, session_id, end)
                if next_segment_id is not None:
                    database.execute(
                        "UPDATE words SET segment = ?"
                        " WHERE session = ? AND segment = ? AND id >= ?",
                        (next_segment_id, session_id, end.segment_id, next_word_id),
                    )
                oldest = end.segment_id - _KEPT_SEGMENTS
                for table in ("words", "ends"):
                    database.execute(
                        f"DELETE FROM {table} WHERE session = ? AND segment <= ?",
                        (session_id, oldest),
                    )

        await asyncio.wrap_future(self._submit(work))

    def delete(self, session_id: str) -> None:
        """Nobody will go on with it. Returns at once."""
        self._submit(lambda: self._delete([session_id]))

    def close(self) -> None:
        """Wait until all is written. What is there stays, for the next server."""
        self._expiry.cancel()
        self._thread.shutdown()
        self._database.close()

    def _submit(self, work: Callable[[], object]) -> Future[None]:
        return self._thread.submit(self._transaction, work)

    def _transaction(self, work: Callable[[], object]) -> None:
        if not self._usable:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            work()
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._usable = False
            logger.error(
                "the store cannot be written (%s): it is deleted, and off until the server starts "
                "again; sessions go on, but do not outlive the server",
                error,
            )
            self._database.close()
            _delete_file(self._path)

    def _delete(self, session_ids: Iterable[str]) -> None:
        self._database.executemany(
            "DELETE FROM sessions WHERE id = ?", [(session_id,) for session_id in session_ids]
        )

    def _expire(self) -> None:
        """Who has not come back by now does not."""
        with self._claiming:
            late = list(self._waiting)
            self._waiting.clear()
        self._submit(lambda: self._delete(late))

    def _read(self, keep_s: float) -> dict[str, StoredSession]:
        """Raises sqlite3.Error, ValidationError."""
        database, moment_s = self._database, self._now_s()
        database.execute("BEGIN IMMEDIATE")
        database.execute(
            "DELETE FROM sessions WHERE NOT written_s BETWEEN ? AND ?",
            (moment_s - keep_s, moment_s + keep_s),
        )
        rows = database.execute("SELECT id FROM sessions").fetchall()
        sessions = {session_id: self._read_session(session_id) for (session_id,) in rows}
        database.execute("COMMIT")
        return sessions

    def _read_session(self, session_id: str) -> StoredSession:
        database = self._database
        token_hash, follow_id, start, positions, lost, seq = database.execute(
            "SELECT token_hash, follow_id, start, positions, lost_samples, seq FROM sessions"
            " WHERE id = ?",
            (session_id,),
        ).fetchone()
        words = []
        channels = {}
        for number, channel, word_id, segment, text, begin, end, confidence in database.execute(
            "SELECT seq, channel, id, segment, text, start_sample, end_sample, confidence"
            " FROM words WHERE session = ? ORDER BY id",
            (session_id,),
        ):
            word = Word(word_id, text, begin, end, confidence, WordState.COMMITTED, segment)
            words.append((number, word))
            channels[segment] = channel
        ends = [
            StoredEnd(*row)
            for row in database.execute(
                "SELECT segment, start_sample, end_sample, cause, seq, channel, speaker FROM ends"
                " WHERE session = ? ORDER BY segment",
                (session_id,),
            )
        ]
        # What was told since is not known; no number must come twice.
        seq += _UNTOLD_EVENTS
        for closing in ends_of_unclosed((word for _, word in words), channels, ends, seq):
            seq = closing.seq
            _insert_end(database, session_id, closing)
            ends.append(closing)
        database.execute("UPDATE sessions SET seq = ? WHERE id = ?", (seq, session_id))
        ends.sort(key=lambda end: end.segment_id)
        return StoredSession(
            session_id,
            token_hash,
            follow_id,
            StartMessage.model_validate_json(start),
            tuple(json.loads(positions)),
            lost,
            seq,
            tuple(words),
            tuple(ends),
        )


def token_hash(token: str) -> bytes:
    """What is kept of a resume token: enough to know it again."""
    return hashlib.sha256(token.encode()).digest()


def _insert_end(database: sqlite3.Connection, session_id: str, end: StoredEnd) -> None:
    database.execute(
        "INSERT INTO ends VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session_id,
            end.segment_id,
            end.start_sample,
            end.end_sample,
            end.cause,
            end.seq,
            end.channel,
            end.speaker,
        ),
    )


def _opened(path: Path) -> sqlite3.Connection:
    """Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite would let everybody read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    try:
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",  # so that it outlives the machine, too
            "secure_delete = ON",
            "foreign_keys = ON",
        ):
            database.execute(f"PRAGMA {pragma}")
        _prepare(path, database)
    except sqlite3.OperationalError as error:
        database.close()
        raise StoreError(f"{path} cannot be used ({error}); is another server using it?") from error
    except sqlite3.DatabaseError as error:
        database.close()
        raise StoreError(f"{path} is no store of this server; name another file") from error
    except StoreError:
        database.close()
        raise
    return database


def _prepare(path: Path, database: sqlite3.Connection) -> None:
    """Raises StoreError, sqlite3.DatabaseError."""
    (found,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (n_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if n_tables and found != _APPLICATION_ID:
        raise StoreError(f"{path} is no store of this server; name another file")
    if n_tables and version != _VERSION:  # it would be too old in a minute anyway
        for table in ("words", "ends", "sessions"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        n_tables = 0
    if not n_tables:
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {_VERSION}")


def _delete_file(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
