"""Sessions that go from one server to another; sockets in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamer.hosting.handed_over import handed_over
from streamer.hosting.options import ServerOptions
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.errors import ProtocolError
from streamer.protocol.replica_names import replica_of
from streamer.server.connection import Connection
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed, WordsUpdate
from streamer.transcript.ledger import Segment
from tests.fakes import silence, tone
from tests.sockets import GONE, FakeSocket
from tests.streamer.hosting.bench import START, STOP, Bench, frame, newest_seq, resume, send, until
from tests.streamer.hosting.test_channels import (
    BOTH,
    all_heard,
    check_both_are_told_once,
    transcript_of,
)
from tests.streamer.hosting.test_channels import START as BOTH_CHANNELS


@dataclass
class Pair:
    """Two servers, of which the first hands its sessions to the second."""

    first: Bench
    second: Bench

    async def hand_over(self, session: StoredSession, renamed: bool = True) -> str | None:
        try:
            return self.second.registry.adopt(session, renamed=renamed)
        except ProtocolError:
            return None

    def move(self, connection: Connection) -> None:
        connection.move_away(self.hand_over)


def bench_named(name: str, **options: Any) -> Bench:
    return Bench(ServerOptions(heartbeat_s=60.0, replica=name, **options))


@pytest.fixture(params=["in memory", "in a shared store"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    store = None if request.param == "in memory" else tmp_path / "store"
    pair = Pair(bench_named("a", shared_store=store), bench_named("b", shared_store=store))
    yield pair
    await pair.first.close()
    await pair.second.close()


async def moved(pair: Pair, *audio: object) -> tuple[FakeSocket, dict[str, Any]]:
    """A client that has spoken and was sent on, and its `ready`."""
    socket, ready = await pair.first.opened(START)
    send(socket, *audio)
    await pair.first.idle()
    pair.move(pair.first.connections[-1])
    await until(lambda: socket.closed)
    return socket, ready


async def test_ids_tell_the_replica(pair: Pair) -> None:
    _, ready = await pair.first.opened(START)
    assert replica_of(ready["session_id"]) == replica_of(ready["follow_id"]) == "a"
    secret = '{"type":"start","share_secret":"0123456789abcdef"}'
    _, one = await pair.first.opened(secret)
    _, other = await pair.second.opened(secret)
    assert one["follow_id"] == other["follow_id"]
    assert replica_of(one["follow_id"]) is None
    assert pair.first.registry.shared_ids() == [one["follow_id"]]


async def test_a_session_goes_on_elsewhere_within_a_word(pair: Pair) -> None:
    first, ready = await moved(pair, frame(0, 0, tone(2.0)))
    (move,) = first.of("move")
    assert first.closed == (1012, "move")
    assert not first.of("bye") + first.of("error")
    assert replica_of(move["session_id"]) == "b"
    second, again = await pair.second.opened(resume(ready | move, newest_seq(first)))
    assert again["resumed"]
    assert again["follow_id"] == ready["follow_id"]
    assert pair.second.registry.shared_ids() == [ready["follow_id"]]
    offset = again["acknowledged_offset"]
    assert offset == 24_064  # behind the third word, in whole frames
    send(second, frame(0, offset, tone(2.5)[offset:]), STOP)
    await until(lambda: second.closed)
    said = [w for s in (first, second) for e in s.of("words") for w in e["words"]]
    assert [w["id"] for w in said if w["state"] == "committed"] == [0, 1, 2, 3, 4]
    assert second.of("bye")[0]["words"] == 5


async def test_whoever_was_away_is_found_under_the_old_id(pair: Pair) -> None:
    first, ready = await pair.first.opened(START)
    send(first, frame(0, 0, tone(2.0)))
    await pair.first.idle()
    first.inbox.put_nowait(GONE)
    registry = pair.first.registry
    await until(lambda: registry.parked)
    stored = await registry.hand_over(registry.parked[0])
    assert stored is not None
    assert await pair.hand_over(stored, renamed=False) == ready["session_id"]
    expected = sorted([ready["session_id"], ready["follow_id"]])
    assert pair.second.registry.shared_ids() == expected
    second, again = await pair.second.opened(resume(ready, newest_seq(first)))
    assert again["resumed"]
    assert pair.second.registry.shared_ids() == expected
    offset = again["acknowledged_offset"]
    send(second, frame(0, offset, tone(2.5)[offset:]), STOP)
    await until(lambda: second.closed)
    said = [w for s in (first, second) for e in s.of("words") for w in e["words"]]
    assert [w["id"] for w in said if w["state"] == "committed"] == [0, 1, 2, 3, 4]
    late, _ = await pair.first.opened(resume(ready, newest_seq(first)))
    assert late.of("error")[0]["code"] == (
        "too_many_sessions" if pair.first.store else "session_expired"
    )


@pytest.mark.parametrize("n_samples", [16_000, 28_000, 44_000])
async def test_both_channels_go_on_elsewhere(pair: Pair, n_samples: int) -> None:
    first, ready = await pair.first.opened(BOTH_CHANNELS)
    send(first, frame(0, 0, BOTH[:n_samples]))
    await all_heard(pair.first, first, n_samples)
    pair.move(pair.first.connections[-1])
    await until(lambda: first.closed)
    (move,) = first.of("move")
    second, again = await pair.second.opened(resume(ready | move, newest_seq(first)))
    assert pair.second.places.taken == again["channels"] == 2
    offset = again["acknowledged_offset"]
    send(second, frame(0, offset, BOTH[offset:]), STOP)
    await until(lambda: second.closed)
    check_both_are_told_once(transcript_of(first, second))


async def test_in_silence_nothing_is_heard_twice(pair: Pair) -> None:
    first, ready = await moved(pair, frame(0, 0, tone(1.0)), frame(1, 16_000, silence(3.0)))
    assert len(first.of("segment")) == 1
    (move,) = first.of("move")
    second, again = await pair.second.opened(resume(ready | move, newest_seq(first)))
    assert again["acknowledged_offset"] > 32_000
    send(second, frame(0, again["acknowledged_offset"], silence(1.0)), STOP)
    await until(lambda: second.closed)
    assert not second.of("words")
    assert second.of("bye")[0]["segments"] == 1


async def test_what_was_not_received_is_told_by_the_other(pair: Pair) -> None:
    first, ready = await moved(pair, frame(0, 0, tone(2.0)))
    (move,) = first.of("move")
    second, _ = await pair.second.opened(resume(ready | move, 0))
    await until(lambda: second.of("segment"))
    assert second.of("segment")[0]["text"] == "w0 w8000 w16000"


async def test_whoever_has_no_room_sends_the_client_to_a_new_session() -> None:
    pair = Pair(bench_named("a"), bench_named("b", max_sessions=1))
    await pair.second.opened(START)
    first, _ = await moved(pair, frame(0, 0, tone(2.0)))
    assert first.of("error")[0]["code"] == "shutting_down"
    assert first.closed == (1012, "move")
    await pair.first.close()
    await pair.second.close()


async def test_the_token_is_wanted_there_too(pair: Pair) -> None:
    first, ready = await moved(pair, frame(0, 0, tone(2.0)))
    wrong = resume(ready | first.of("move")[0], 0, resume_token="x" * 43)
    _, refusal = await pair.second.opened(wrong)
    assert refusal["code"] == "session_expired"


async def test_followers_are_let_go(pair: Pair) -> None:
    socket, ready = await pair.first.opened(START)
    follower = await pair.first.follow(ready["follow_id"])
    send(socket, frame(0, 0, tone(2.0)))
    await pair.first.idle()
    pair.move(pair.first.connections[-1])
    await until(lambda: follower.closed)
    assert follower.of("bye")[0]["reason"] == "replaced"


async def test_labels_of_voices_go_along(pair: Pair) -> None:
    """Where somebody else began to speak, the words behind are of the next segment."""
    socket, _ = await pair.first.opened(START)
    send(socket, frame(0, 0, tone(2.0)))
    await pair.first.idle()
    (hosted,) = (one._hosted for one in pair.first.connections)
    assert hosted is not None
    updates = [one.event for one in hosted.log.kept() if isinstance(one.event, WordsUpdate)]
    said, *_ = [word for update in updates for word in update.committed]
    ended = Segment(0, 0, said.end_sample, (said.as_final(),), final=True, speaker=1)
    hosted.log.add(Report(SegmentClosed(ended, "speaker", next_segment_id=1), 0.0, 0))
    stored = handed_over(hosted)
    assert stored is not None
    ends = [(end.segment_id, end.speaker, end.cause) for end in stored.ends]
    assert ends == [(0, 1, "speaker"), (1, None, "length")]
    assert [word.segment_id for _, word in stored.words] == [0, 1, 1]
