"""The file that sessions outlive their server in."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from streamer.hosting.single_store import SingleStore
from streamer.hosting.store_file import StoreError, token_hash
from streamer.hosting.stored_session import StoredEnd, StoredSession
from streamer.protocol.messages import StartMessage
from streamer.protocol.voice_prints import FORGOTTEN_VOICE, VOICE_NUMBERS, voice_text
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed, WordsUpdate
from streamer.transcript.ledger import Word, WordState

VOICE = voice_text(np.full(VOICE_NUMBERS, 0.05, np.float32))
START = StartMessage(
    hot_words=("Ada",),
    share_secret="s" * 16,
    sample_rate=48_000,
    speakers=2,
    known_voices=(VOICE,),
)


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def word(number: int, segment_id: int = 0) -> Word:
    at = number * 1_000
    return Word(number, f"word{number}", at, at + 900, 0.5, WordState.COMMITTED, segment_id)


def end(segment_id: int, end_sample: int, seq: int) -> StoredEnd:
    return StoredEnd(segment_id, 0, end_sample, "silence", seq)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.db"


def reopened(store: SingleStore, path: Path, clock: Clock | None = None) -> SingleStore:
    store.close()
    return SingleStore(path, 60.0, clock or Clock())


def found(store: SingleStore, session_id: str = "one") -> StoredSession:
    session = store.find(session_id)
    assert session is not None
    return session


async def filled(path: Path) -> SingleStore:
    """One session: two words in a segment that ended, a third in one that did not."""
    store = SingleStore(path, 60.0, Clock())
    store.begin("one", "token", "follow", START)
    await store.write("one", 3, [900], 0, [word(0)])
    await store.write("one", 5, [1_900], 7, [word(1)])
    await store.write("one", 6, [2_000], 7, end=end(0, 2_000, 6))
    await store.write("one", 9, [2_900], 7, [word(2, 1)])
    return store


async def test_what_was_written_comes_back(path: Path) -> None:
    store = reopened(await filled(path), path)
    session = found(store)
    # Of a voice nothing is kept but that there was one.
    kept = {"share_secret": None, "known_voices": (FORGOTTEN_VOICE,)}
    assert session.start == START.model_copy(update=kept)
    assert (session.follow_id, session.token_hash) == ("follow", token_hash("token"))
    assert session.text == "word0 word1 word2"
    (point,) = session.start_points
    assert (point.sample, point.word_id, point.segment_id, point.lost_samples) == (3_072, 3, 2, 7)
    log = session.log()
    told = log.after(3)
    assert [report.seq for report in told] == [5, 6, 9, 1_009]
    assert [type(report.event) for report in told] == [
        WordsUpdate,
        SegmentClosed,
        WordsUpdate,
        SegmentClosed,
    ]
    closing = told[-1].event
    assert isinstance(closing, SegmentClosed)
    assert (closing.cause, closing.segment.text, closing.segment.end_sample) == (
        "length",
        "word2",
        2_900,
    )
    assert [word.state for word in closing.segment.words] == [WordState.FINAL]
    store.close()


async def test_words_of_somebody_else_are_those_of_the_next_segment(path: Path) -> None:
    store = SingleStore(path, 60.0, Clock())
    store.begin("one", "token", "follow", START)
    await store.write("one", 1, [2_900], 0, [word(0), word(1), word(2)])
    one = StoredEnd(0, 0, 900, "speaker", 2, speaker=4)
    await store.write("one", 2, [2_900], 0, end=one, next_word_id=1, next_segment_id=1)
    store = reopened(store, path)
    first, rest = (event for event in map(_closed, found(store).log().after(1)) if event)
    assert (first.segment.text, first.segment.speaker, first.cause) == ("word0", 4, "speaker")
    assert [one.speaker for one in first.segment.words] == [4]
    assert (rest.segment.id, rest.segment.text, rest.segment.speaker) == (1, "word1 word2", None)
    # Who was the fifth is not known any more.
    assert found(store).start_points[0].speakers == 5
    store.close()


async def test_of_two_channels_the_next_segment_is_that_of_the_same_one(path: Path) -> None:
    store = SingleStore(path, 60.0, Clock())
    start = START.model_copy(update={"channels": 2, "speakers": True})
    store.begin("one", "token", "follow", start)
    await store.write("one", 1, [1_900, 0], 0, [word(0), word(1)])
    await store.write("one", 2, [1_900, 2_900], 0, [word(2, segment_id=1)], channel=1)
    one = StoredEnd(0, 0, 900, "speaker", 3, speaker=4)
    await store.write("one", 3, [1_900, 2_900], 0, end=one, next_word_id=1, next_segment_id=2)
    store = reopened(store, path)
    closed = [event for event in map(_closed, found(store).log().after(2)) if event]
    assert [(e.segment.id, e.channel, e.segment.text, e.next_segment_id) for e in closed] == [
        (0, 0, "word0", 2),
        (1, 1, "word2", None),
        (2, 0, "word1", None),
    ]
    # One voice was known. Labels 1 to 4 are two of each channel, which go on behind.
    assert [start.speakers for start in found(store).start_points] == [3, 3]
    store.close()


def _closed(report: Report) -> SegmentClosed | None:
    return report.event if isinstance(report.event, SegmentClosed) else None


async def test_what_was_closed_at_a_start_is_not_closed_again(path: Path) -> None:
    store = reopened(reopened(await filled(path), path), path)
    assert [end.segment_id for end in found(store).ends] == [0, 1]
    assert store.claim("one")
    assert not store.claim("one")
    store.close()


@pytest.mark.parametrize("moved_s", [61.0, -61.0, 1e9])
async def test_what_is_too_old_is_gone_from_the_file_too(path: Path, moved_s: float) -> None:
    clock = Clock()
    store = await filled(path)
    assert b"word1" in contents(path)
    clock.now_s += moved_s
    store = reopened(store, path, clock)
    assert store.find("one") is None
    store.close()
    assert b"word" not in contents(path).replace(b"words", b"")


async def test_a_clock_set_back_a_little_loses_nothing(path: Path) -> None:
    clock = Clock()
    store = await filled(path)
    clock.now_s -= 30
    store = reopened(store, path, clock)
    assert found(store).text == "word0 word1 word2"
    store.close()


async def test_who_does_not_come_back_is_forgotten_while_the_server_runs(path: Path) -> None:
    (await filled(path)).close()
    store = SingleStore(path, 0.05, Clock())
    assert store.find("one") is not None
    store._expiry.join()
    assert store.find("one") is None
    store.close()
    assert b"word1" not in contents(path)


async def test_a_deleted_session_is_overwritten(path: Path) -> None:
    store = await filled(path)
    store.delete("one")
    store.close()
    assert b"word1" not in contents(path)
    assert b"Ada" not in contents(path)


async def test_nothing_is_kept_but_what_a_client_needs(path: Path) -> None:
    store = await filled(path)
    secrets = (b"token", (START.share_secret or "").encode(), VOICE.encode())
    assert not [
        secret for secret in secrets if secret in contents(path).replace(b"token_hash", b"")
    ]
    store.close()
    tables = sqlite3.connect(path).execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert sorted(name for (name,) in tables) == ["ends", "sessions", "words"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_long_session_does_not_grow_for_ever(path: Path) -> None:
    store = SingleStore(path, 60.0, Clock())
    store.begin("one", "token", "follow", START)
    for number in range(300):
        await store.write("one", 2 * number + 1, [number], 0, [word(number, number)])
        await store.write(
            "one", 2 * number + 2, [number], 0, end=end(number, number, 2 * number + 2)
        )
    store = reopened(store, path)
    session = found(store)
    assert (len(session.words), session.words[0][1].id) == (200, 100)
    assert session.start_points[0].word_id == 300
    assert session.log().after(200)[0].seq == 201
    with pytest.raises(LookupError):
        session.log().after(199)
    store.close()


def test_a_file_of_somebody_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"My diary, which is long enough to be no database at all. " * 20)
    with pytest.raises(StoreError, match="no store of this server"):
        SingleStore(path, 60.0)
    assert path.read_bytes().startswith(b"My diary")
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts (name TEXT)")
    with pytest.raises(StoreError, match="no store of this server"):
        SingleStore(path, 60.0)


def test_a_file_in_use_or_out_of_reach_is_said_so(path: Path) -> None:
    store = SingleStore(path, 60.0)
    with pytest.raises(StoreError, match="is another server using it"):
        SingleStore(path, 60.0)
    store.close()
    with pytest.raises(StoreError, match="cannot be written"):
        SingleStore(path / "below", 60.0)


async def test_a_damaged_file_is_said_so(path: Path) -> None:
    (await filled(path)).close()
    with sqlite3.connect(path) as damaged:
        damaged.execute("UPDATE sessions SET start = '{'")
    damaged.close()
    with pytest.raises(StoreError, match="is damaged"):
        SingleStore(path, 60.0, Clock())


async def test_a_full_disk_turns_the_store_off_and_leaves_nothing_with_holes(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await filled(path)
    (pages,) = store._opened._database.execute("PRAGMA page_count").fetchone()
    store._opened._database.execute(f"PRAGMA max_page_count = {pages}")
    number = 3
    with suppress(TimeoutError):
        while store.usable:
            await store.write("one", 10 + number, [number], 0, [word(number, 1)])
            number += 1
    assert "full" in caplog.text
    assert not path.exists()
    await store.write("one", 10 + number, [number], 0, [word(number, 1)])  # no error
    store.delete("one")
    store.close()


def contents(path: Path) -> bytes:
    """All that is on disk."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())
