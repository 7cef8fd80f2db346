"""The folder in which servers find what others left that were killed; sockets in memory."""

from __future__ import annotations

import asyncio
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.hosting.options import ServerOptions
from streamer.hosting.shared_store import SharedStore
from streamer.hosting.store_file import FileInUseError, StoreError, token_hash
from tests.fakes import tone
from tests.sockets import GONE, FakeSocket
from tests.streamer.hosting.bench import (
    START,
    STOP,
    Bench,
    frame,
    newest_seq,
    resume,
    send,
    texts,
    until,
)
from tests.streamer.hosting.test_single_store import START as SETTINGS
from tests.streamer.hosting.test_single_store import Clock, contents, word

Serve = Callable[..., Bench]
HOLDER = """
import sys, time
from pathlib import Path
from streamer.hosting.store_file import StoreFile
from streamer.protocol.messages import StartMessage
file = StoreFile(Path(sys.argv[1]))
with file.transaction():
    file.begin("one", "token", "follow", StartMessage(), time.time())
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
async def serve(folder: Path) -> AsyncIterator[Serve]:
    """Servers on one folder; `name` is the replica's."""
    benches = []

    def serve(name: str, of: Path = folder, **options: Any) -> Bench:
        options = {"heartbeat_s": 60.0, **options}
        benches.append(Bench(ServerOptions(replica=name, shared_store=of, **options)))
        return benches[-1]

    yield serve
    for bench in benches:
        await bench.close()


async def spoken(bench: Bench) -> tuple[FakeSocket, dict[str, Any]]:
    """A client that has said two seconds and stays; four words, of which three are committed."""
    socket, ready = await bench.opened(START)
    send(socket, frame(0, 0, tone(2.0)))
    await until(lambda: len(socket.of("words")) == 4)
    await bench.idle()
    return socket, ready


def killed(folder: Path) -> Path:
    """The folder as `kill -9` would leave it: what is on disk, and nobody has it open."""
    left = folder.parent / f"{folder.name}-left"
    shutil.copytree(folder, left)
    return left


async def test_another_server_goes_on_where_the_words_end(serve: Serve, folder: Path) -> None:
    first, ready = await spoken(serve("a"))
    other = serve("b", killed(folder))
    second, again = await other.opened(resume(ready, newest_seq(first)))
    assert (again["resumed"], again["session_id"]) == (True, ready["session_id"])
    assert again["follow_id"] == ready["follow_id"]
    assert again["acknowledged_offset"] == 24_064  # behind the third word, in whole frames
    # Routers are told that it is there now.
    assert other.registry.shared_ids() == sorted([ready["session_id"], ready["follow_id"]])
    send(second, frame(0, 24_064, tone(1.0)), STOP)
    await until(lambda: second.closed)
    words = [w for e in second.of("words") for w in e["words"] if w["state"] == "committed"]
    assert [w["id"] for w in words] == [3, 4]
    assert texts(second) == ["w0 w8000 w16000", "w24064 w32064"]


async def test_a_third_one_goes_on_when_that_is_killed_too(serve: Serve, folder: Path) -> None:
    first, ready = await spoken(serve("a"))
    left = killed(folder)
    second, again = await serve("b", left).opened(resume(ready, newest_seq(first)))
    offset = again["acknowledged_offset"]
    send(second, frame(0, offset, tone(2.0)))
    await until(lambda: len(second.of("words")) >= 4)
    seen = newest_seq(second)
    third, last = await serve("c", killed(left)).opened(resume(ready, seen))
    assert last["acknowledged_offset"] > offset
    send(third, STOP)
    await until(lambda: third.closed)
    told = [w for s in (first, second, third) for e in s.of("words") for w in e["words"]]
    ids = [w["id"] for w in told if w["state"] == "committed"]
    assert ids == list(range(len(ids)))


async def test_two_never_go_on_with_the_same_session(serve: Serve) -> None:
    living, other = serve("a"), serve("b")
    first, ready = await spoken(living)
    _, refused = await other.opened(resume(ready, newest_seq(first)))
    assert refused["code"] == "too_many_sessions"  # clients try again later
    assert "still" in refused["message"]
    assert other.places.taken == 0
    send(first, STOP)
    await until(lambda: first.closed)
    assert texts(first) == ["w0 w8000 w16000 w24000"]


async def test_who_has_no_room_lets_go_of_it(serve: Serve, folder: Path) -> None:
    first, ready = await spoken(serve("a"))
    left = killed(folder)
    full = serve("b", left, max_sessions=1)
    await full.opened(START)
    _, refused = await full.opened(resume(ready, newest_seq(first)))
    assert refused["code"] == "too_many_sessions"
    second, again = await serve("c", left).opened(resume(ready, newest_seq(first)))
    assert again["resumed"]
    send(second, STOP)
    await until(lambda: second.closed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"resume_token": "guessed"},
        {"session_id": "a.0123456789abcdef"},
        {"session_id": "../../etc/passwd"},
        {"session_id": "a./etc/passwd"},
    ],
)
async def test_a_resumption_needs_the_secret(
    serve: Serve, folder: Path, wrong: dict[str, str]
) -> None:
    _, ready = await spoken(serve("a"))
    left = killed(folder)
    other = serve("b", left)
    _, refused = await other.opened(resume(ready, 0, **wrong))
    assert refused["code"] == "session_expired"
    _, again = await serve("c", left).opened(resume(ready))
    assert again["resumed"]


async def test_the_end_of_a_session_is_the_end_of_its_file(serve: Serve, folder: Path) -> None:
    bench = serve("a", resume_s=0.1)
    socket, _ = await spoken(bench)
    (file,) = folder.glob("*.db")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    send(socket, STOP)
    await until(lambda: socket.closed)
    await until(lambda: not list(folder.iterdir()))


async def test_what_nobody_comes_back_for_is_swept_away(serve: Serve, folder: Path) -> None:
    socket, _ = await spoken(serve("a"))
    left = killed(folder)
    assert b"w8000" in contents(next(left.glob("*.db")))
    serve("b", left, resume_s=0.1)
    await until(lambda: not list(left.iterdir()))
    assert list(folder.glob("*.db"))  # its server lives
    socket.inbox.put_nowait(GONE)


async def test_what_is_wanted_still_is_not_swept_away(folder: Path) -> None:
    clock = Clock()
    store = SharedStore(folder, 60.0, clock)
    store.begin("one", "token", "follow", SETTINGS)
    await store.write("one", 3, [900], 0, [word(0)])
    clock.now_s += 100
    await store.release("one")
    (file,) = folder.glob("*.db")
    store._sweep()
    assert file.exists()
    session = await store.recall("elsewhere.one", token_hash("token"))
    assert session is not None
    assert (session.id, session.text) == ("elsewhere.one", "word0")
    await store.release("one")
    clock.now_s += 61
    store._sweep()
    assert not file.exists()
    store.close()


async def test_a_process_that_is_killed_lets_go(folder: Path) -> None:
    store = SharedStore(folder, 60.0)
    command = [sys.executable, "-c", HOLDER, str(folder / "one.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FileInUseError):
            await store.recall("one", token_hash("token"))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        found = await store.recall("one", token_hash("token"))
        assert found is not None
    store.close()


async def test_a_full_disk_turns_the_store_off_and_leaves_nothing_with_holes(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SharedStore(folder, 60.0)
    store.begin("one", "token", "follow", SETTINGS)
    await store.write("one", 1, [0], 0, [word(0)])
    database = store._files["one"]._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    number = 1
    async with asyncio.timeout(20):
        while store.usable:
            await store.write("one", 10 + number, [number], 0, [word(number, 1)])
            number += 1
    assert "full" in caplog.text
    assert not list(folder.iterdir())
    assert await store.recall("one", token_hash("token")) is None
    store.close()


def test_a_folder_that_cannot_be_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        SharedStore(tmp_path / "file", 60.0)
    with pytest.raises(ValueError, match="choose one"):
        ServerOptions(store=tmp_path / "one.db", shared_store=tmp_path)
