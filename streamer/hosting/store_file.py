"""One SQLite file of sessions, and whose it is: it belongs to the process that has it open.

Only what a client needs to go on is written: the settings of its session without its secret, a hash
of its resume token, committed words, ends of segments, and how far the audio is captioned. No
audio, no voices, no tentative words, no emotions, no addresses. What is deleted is overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamer.hosting.stored_session import StoredEnd, StoredSession, ends_of_unclosed
from streamer.protocol.messages import StartMessage
from streamer.protocol.voice_prints import FORGOTTEN_VOICE
from streamer.transcript.ledger import Word, WordState

_APPLICATION_ID: Final = 0x5354524D
"""Marks a file as ours."""
_VERSION: Final = 3
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


class FileInUseError(StoreError):
    """Another process, which lives, has it."""


class StoreFile:
    """Open, and this process's own, until `close`; the operating system ends that when the process
    dies. In one thread at a time. All but `close` raise sqlite3.Error."""

    def __init__(self, path: Path, *, create: bool = True, wait_s: float = 1.0) -> None:
        """
        Args:
            wait_s: for another process to let go of it.

        Raises:
            FileNotFoundError: there is none, and none is to be made.
            FileInUseError, StoreError
        """
        self.path = path
        self._database = _opened(path, create=create, wait_s=wait_s)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is called within is done, or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def begin(
        self, name: str, token: str, follow_id: str, start: StartMessage, now_s: float
    ) -> None:
        """There is a session."""
        positions = json.dumps([0] * start.channels)
        row = (name, token_hash(token), follow_id, _settings(start), positions, 0, 0, now_s)
        self._insert(row)

    def put(self, name: str, session: StoredSession, now_s: float) -> None:
        """In the place of what is known of it, if anything is."""
        self.delete([name])
        positions = json.dumps(list(session.positions))
        start = _settings(session.start)
        lost, seq = session.lost_samples, session.seq
        self._insert(
            (name, session.token_hash, session.follow_id, start, positions, lost, seq, now_s)
        )
        channels = {end.segment_id: end.channel for end in session.ends}
        for number, word in session.words:
            self._insert_words(name, number, channels[word.segment_id], [word])
        for end in session.ends:
            self._insert_end(name, end)

    def write(
        self,
        name: str,
        seq: int,
        positions: Sequence[int],
        lost_samples: int,
        words: Sequence[Word],
        end: StoredEnd | None,
        channel: int,
        next_word_id: int | None,
        next_segment_id: int | None,
        now_s: float,
    ) -> None:
        """As `SessionStore.write`."""
        database = self._database
        database.execute(
            "UPDATE sessions SET seq = ?, positions = ?, lost_samples = ?, written_s = ?"
            " WHERE id = ?",
            (seq, json.dumps(list(positions)), lost_samples, now_s, name),
        )
        self._insert_words(name, seq, channel, words)
        if end is None:
            return
        self._insert_end(name, end)
        if next_segment_id is not None:
            database.execute(
                "UPDATE words SET segment = ? WHERE session = ? AND segment = ? AND id >= ?",
                (next_segment_id, name, end.segment_id, next_word_id),
            )
        oldest = end.segment_id - _KEPT_SEGMENTS
        for table in ("words", "ends"):
            database.execute(
                f"DELETE FROM {table} WHERE session = ? AND segment <= ?", (name, oldest)
            )

    def touch(self, now_s: float) -> None:
        """Its sessions are wanted still."""
        self._database.execute("UPDATE sessions SET written_s = ?", (now_s,))

    def expire(self, keep_s: float, now_s: float) -> None:
        """Delete what is older."""
        self._database.execute(
            "DELETE FROM sessions WHERE NOT written_s BETWEEN ? AND ?",
            (now_s - keep_s, now_s + keep_s),
        )

    def delete(self, names: Iterable[str]) -> None:
        self._database.executemany("DELETE FROM sessions WHERE id = ?", [(name,) for name in names])

    def names(self) -> list[str]:
        """Of its sessions."""
        return [name for (name,) in self._database.execute("SELECT id FROM sessions")]

    def token_hash(self, name: str) -> bytes | None:
        """Of a session's resume token; None: there is no such session."""
        found = self._database.execute(
            "SELECT token_hash FROM sessions WHERE id = ?", (name,)
        ).fetchone()
        return None if found is None else bytes(found[0])

    def read(self, name: str) -> StoredSession:
        """A session whose server died. Its open segments are closed, here too.

        Raises:
            ValidationError: its settings are damaged.
        """
        database = self._database
        hashed, follow_id, start, positions, lost, seq = database.execute(
            "SELECT token_hash, follow_id, start, positions, lost_samples, seq FROM sessions"
            " WHERE id = ?",
            (name,),
        ).fetchone()
        words = []
        channels = {}
        for number, channel, word_id, segment, text, begin, end, confidence in database.execute(
            "SELECT seq, channel, id, segment, text, start_sample, end_sample, confidence"
            " FROM words WHERE session = ? ORDER BY id",
            (name,),
        ):
            word = Word(word_id, text, begin, end, confidence, WordState.COMMITTED, segment)
            words.append((number, word))
            channels[segment] = channel
        ends = [
            StoredEnd(*row)
            for row in database.execute(
                "SELECT segment, start_sample, end_sample, cause, seq, channel, speaker FROM ends"
                " WHERE session = ? ORDER BY segment",
                (name,),
            )
        ]
        # What was told since is not known; no number must come twice.
        seq += _UNTOLD_EVENTS
        for closing in ends_of_unclosed((word for _, word in words), channels, ends, seq):
            seq = closing.seq
            self._insert_end(name, closing)
            ends.append(closing)
        database.execute("UPDATE sessions SET seq = ? WHERE id = ?", (seq, name))
        ends.sort(key=lambda end: end.segment_id)
        return StoredSession(
            name,
            hashed,
            follow_id,
            StartMessage.model_validate_json(start),
            tuple(json.loads(positions)),
            lost,
            seq,
            tuple(words),
            tuple(ends),
        )

    def close(self, *, delete: bool = False) -> None:
        """Let go of it.

        Args:
            delete: there is nothing in it that anybody may need.
        """
        self._database.close()
        if delete:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _insert(self, row: tuple[object, ...]) -> None:
        self._database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _insert_words(self, name: str, seq: int, channel: int, words: Sequence[Word]) -> None:
        self._database.executemany(
            "INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    name,
                    word.id,
                    word.segment_id,
                    word.text,
                    word.start_sample,
                    word.end_sample,
                    word.confidence,
                    seq,
                    channel,
                )
                for word in words
            ],
        )

    def _insert_end(self, name: str, end: StoredEnd) -> None:
        self._database.execute(
            "INSERT INTO ends VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                name,
                end.segment_id,
                end.start_sample,
                end.end_sample,
                end.cause,
                end.seq,
                end.channel,
                end.speaker,
            ),
        )


def token_hash(token: str) -> bytes:
    """What is kept of a resume token: enough to know it again."""
    return hashlib.sha256(token.encode()).digest()


def _settings(start: StartMessage) -> str:
    """As they are kept."""
    # Labels go on to be theirs, though nobody is known by them any more.
    voices = (FORGOTTEN_VOICE,) * len(start.known_voices)
    kept = start.model_copy(update={"share_secret": None, "known_voices": voices})
    return kept.model_dump_json()


def _opened(path: Path, *, create: bool, wait_s: float) -> sqlite3.Connection:
    """Raises FileNotFoundError, StoreError."""
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite would let everybody read it.
        os.close(os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600))
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not create:
            raise
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=wait_s)
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
        if not path.exists():
            raise FileInUseError(f"{path} was deleted while it was opened")
    except sqlite3.OperationalError as error:
        database.close()
        busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
        trouble = FileInUseError if busy else StoreError
        raise trouble(f"{path} cannot be used ({error}); is another server using it?") from error
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
        marks = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_VERSION};"
        database.executescript(f"BEGIN; {_SCHEMA} {marks} COMMIT;")
