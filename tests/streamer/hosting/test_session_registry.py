"""Sessions that are cut, resumed, taken over, given up and followed; sockets in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.client.transcript import Transcript
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError
from streamer.protocol.frames import encode_frame
from streamer.protocol.messages import SERVER_EVENT, Encoding, ErrorCode
from streamer.runtime.metrics import ServerMetrics
from streamer.server.connection import Connection
from streamer.server.follower import Follower
from streamer.session.places import Places
from tests.fakes import FakeEngine, silence, tone
from tests.serving import session_registry
from tests.sockets import CLOSED, GONE, FakeSocket

START = '{"type":"start"}'
STOP = '{"type":"stop"}'
SPEECH = np.concatenate([tone(1.3), silence(0.9), tone(0.7), silence(0.6), tone(1.1)])


class Bench:
    """A host with a fake engine, and clients to connect to it."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.engine = FakeEngine()
        self.options = options or ServerOptions(heartbeat_s=60.0)
        self.metrics = ServerMetrics(self.engine.executor)
        self.places = Places(self.options.max_sessions, self.options.refuse_lag_ms)
        self.registry = session_registry(self.engine, self.options, self.metrics, self.places)
        self._tasks: list[asyncio.Task[None]] = []

    def connect(self, client: str = "") -> FakeSocket:
        socket = FakeSocket()
        connection = Connection(socket, self.registry, self.options, self.metrics, client)
        self._tasks.append(asyncio.create_task(connection.run()))
        return socket

    async def opened(
        self, message: str | dict[str, Any], client: str = ""
    ) -> tuple[FakeSocket, dict[str, Any]]:
        """A connection that has sent its first message, and the answer."""
        socket = self.connect(client)
        send(socket, message if isinstance(message, str) else json.dumps(message))
        await until(lambda: socket.sent)
        return socket, socket.sent[0]

    async def follow(self, follow_id: str) -> FakeSocket:
        socket = FakeSocket()
        follower = Follower(socket, self.options, self.metrics)
        hosted = self.registry.followed(follow_id)
        self._tasks.append(asyncio.create_task(follower.run(hosted, "draft")))
        await until(lambda: socket.sent)
        return socket

    async def idle(self) -> None:
        """Wait until all audio has been heard and all events have been sent."""
        await until(
            lambda: all(len(r._audio) < 8_000 and not r.busy for r in self.engine.recognizers)
        )
        await asyncio.sleep(0.01)

    def value(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}") or 0.0

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.registry.close(0.0)
        assert [r.closed for r in self.engine.recognizers] == [1] * len(self.engine.recognizers)
        assert self.places.taken == self.value("sessions_active") == 0
        assert self.value("sessions_parked") == self.value("followers") == 0
        await asyncio.to_thread(self.engine.close)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def send(socket: FakeSocket, *messages: object) -> None:
    for message in messages:
        socket.inbox.put_nowait(message)


def frame(seq: int, offset: int, samples: np.ndarray) -> bytes:
    return encode_frame(seq, offset, 0.0, samples, Encoding.PCM_S16LE)


def resume(ready: dict[str, Any], last_seq: int = 0, **changed: object) -> dict[str, Any]:
    message = {"type": "resume", "last_seq": last_seq}
    return message | {key: ready[key] for key in ("session_id", "resume_token")} | changed


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def newest_seq(socket: FakeSocket) -> int:
    return max(event.get("seq", 0) for event in socket.sent)


def texts(socket: FakeSocket) -> list[str]:
    return [event["text"] for event in socket.of("segment")]


@dataclass(frozen=True)
class Cut:
    """A connection: how it sends, and how it breaks."""

    frame_samples: int
    sends: int
    """Frames, of which `arrive` are read by the server."""
    arrive: int
    hears: float
    """Share of the server's events that reach the client."""
    waits: bool
    """Whether it breaks when the server has said all it can."""
    half_dead: bool
    """Whether the server does not notice."""


cuts = st.builds(
    Cut,
    frame_samples=st.integers(1, 20_000),
    sends=st.integers(0, 8),
    arrive=st.integers(0, 8),
    hears=st.floats(0, 1),
    waits=st.booleans(),
    half_dead=st.booleans(),
)


async def transcribed(broken: list[Cut]) -> tuple[Transcript, int]:
    """What a client has after its audio went over connections that all broke but the last."""
    bench = Bench()
    transcript, lost, last_seq = Transcript(), 0, 0
    ready: dict[str, Any] | None = None
    for cut in [*broken, None]:
        opening = START if ready is None else resume(ready, last_seq)
        socket, ready = await bench.opened(opening)
        assert ready["type"] == "ready", ready
        offset, size = ready["acknowledged_offset"], cut.frame_samples if cut else 7_000
        frames = []
        while offset < len(SPEECH) and (cut is None or len(frames) < cut.sends):
            piece = SPEECH[offset : offset + size]
            frames.append(frame(len(frames), offset, piece))
            offset += len(piece)
        if cut is None:
            send(socket, *frames, STOP)
            await until(lambda socket=socket: socket.closed)
            heard = socket.sent
        else:
            send(socket, *frames[: cut.arrive])
            if cut.waits:
                await until(socket.inbox.empty)
                await bench.idle()
            heard = socket.sent[: 1 + round(cut.hears * (len(socket.sent) - 1))]
            if not cut.half_dead:
                send(socket, GONE)
        for event in heard[1:]:
            transcript.apply(SERVER_EVENT.validate_python(event))
            lost += event.get("lost_samples", 0) if event["type"] == "loss" else 0
            last_seq = max(last_seq, event.get("seq", 0))
    await bench.close()
    return transcript, lost


@settings(max_examples=60, deadline=None)
@given(st.lists(cuts, max_size=5))
def test_cuts_change_nothing(broken: list[Cut]) -> None:
    whole, _ = asyncio.run(transcribed([]))
    assert [segment.text for segment in whole.segments] == [
        "w0 w8000 w16000",
        "w32000 w40000",
        "w56000 w64000 w72000",
    ]
    cut, lost = asyncio.run(transcribed(broken))
    assert cut.words == whole.words
    assert cut.segments == whole.segments
    assert lost == 0


async def test_a_resume_tells_what_was_missed_and_no_more(bench: Bench) -> None:
    first, ready = await bench.opened(START)
    assert (ready["resumed"], ready["acknowledged_offset"]) == (False, 0)
    send(first, frame(0, 0, tone(1.0)))
    await until(lambda: len(first.of("words")) == 2)
    seen = newest_seq(first)
    send(first, frame(1, 16_000, tone(0.5)), GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    await bench.idle()
    second, again = await bench.opened(resume(ready, seen))
    assert again["resumed"]
    assert again["session_id"] == ready["session_id"]
    assert again["acknowledged_offset"] == 24_000
    assert bench.value("sessions_parked") == 0
    await until(lambda: second.of("words"))
    (words,) = second.of("words")
    assert [(w["id"], w["state"]) for w in words["words"]] == [(1, "committed"), (2, "tentative")]
    send(second, frame(0, 24_000, tone(0.5)), STOP)
    await until(lambda: second.closed)
    assert second.closed == (1000, "stop")
    assert texts(second) == ["w0 w8000 w16000 w24000"]
    assert second.of("bye")[0]["words"] == 4
    assert bench.value("sessions_resumed_total") == 1


async def test_a_resume_needs_the_secret(bench: Bench) -> None:
    first, ready = await bench.opened(START)
    for wrong in (
        resume(ready, resume_token="guessed"),
        resume(ready, resume_token=ready["follow_id"]),
        resume(ready, resume_token="ünïcode"),
        resume(ready, session_id="0" * 16),
        resume(ready, last_seq=99),
    ):
        socket, answer = await bench.opened(wrong)
        assert (answer["type"], answer["code"]) == ("error", "session_expired")
        await until(lambda socket=socket: socket.closed)
        assert socket.closed == (4410, "session_expired")
    assert first.closed is None
    assert "token" not in json.dumps(first.sent[1:])


async def test_the_newer_connection_takes_over(bench: Bench) -> None:
    first, ready = await bench.opened(START)
    send(first, frame(0, 0, tone(0.6)))
    await until(lambda: first.of("words"))
    first.readable.clear()  # half-dead: nothing gets through to it
    second, _ = await bench.opened(resume(ready, newest_seq(first)))
    third, again = await bench.opened(resume(ready, 0))
    await until(lambda: second.closed)
    assert second.closed == (4409, "taken_over")
    assert second.of("error")[0]["code"] == "taken_over"
    assert again["acknowledged_offset"] == 9_600
    send(first, frame(1, 9_600, tone(9.0)))  # too late
    send(third, STOP)
    await until(lambda: third.closed)
    assert texts(third) == ["w0 w8000"]
    first.readable.set()
    await until(lambda: first.closed)
    assert first.closed == (4409, "taken_over")


async def test_last_words_can_be_fetched_after_the_end(bench: Bench) -> None:
    first, ready = await bench.opened(START)
    first.readable.clear()
    send(first, frame(0, 0, tone(0.6)), STOP, GONE)
    await until(lambda: bench.engine.recognizers[0].closed)
    second, again = await bench.opened(resume(ready))
    assert again["acknowledged_offset"] == 9_600
    await until(lambda: second.closed)
    assert texts(second) == ["w0 w8000"]
    assert second.types()[-2:] == ["latency", "bye"]
    assert second.closed == (1000, "stop")
    third, _ = await bench.opened(resume(ready))  # the bye may have been lost as well
    await until(lambda: third.closed)
    assert texts(third) == ["w0 w8000"]


async def test_a_session_that_broke_while_parked_says_so(bench: Bench) -> None:
    bench.engine.hold.clear()
    first, ready = await bench.opened(START)
    send(first, frame(0, 0, tone(0.6)))
    await until(lambda: bench.engine.recognizers[0].busy)
    send(first, GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    bench.engine.fail_at_step = 1
    bench.engine.hold.set()
    await until(lambda: bench.engine.recognizers[0].closed)
    second, _ = await bench.opened(resume(ready))
    await until(lambda: second.closed)
    assert second.of("error")[0]["code"] == "internal"
    assert second.of("bye")


async def test_whoever_closes_does_not_come_back(bench: Bench) -> None:
    first, ready = await bench.opened(START)
    send(first, frame(0, 0, tone(0.6)), CLOSED)
    await until(lambda: bench.engine.recognizers[0].closed)
    _, answer = await bench.opened(resume(ready))
    assert answer["code"] == "session_expired"
    assert bench.places.taken == 0


async def parked(bench: Bench, client: str = "", seconds: float = 0.6) -> dict[str, Any]:
    before = bench.value("sessions_parked")
    socket, ready = await bench.opened(START, client)
    send(socket, frame(0, 0, tone(seconds)))
    await bench.idle()
    send(socket, GONE)
    most = bench.options.max_parked
    await until(lambda: bench.value("sessions_parked") >= min(before + 1, most))
    await until(socket.inbox.empty)
    await asyncio.sleep(0.01)
    return ready


async def test_parked_sessions_expire() -> None:
    bench = Bench(ServerOptions(resume_s=0.05))
    ready = await parked(bench)
    await until(lambda: bench.places.taken == 0)
    _, answer = await bench.opened(resume(ready))
    assert answer["code"] == "session_expired"
    assert "start a new one" in answer["message"]
    await bench.close()


async def test_a_client_that_slept_goes_on() -> None:
    bench = Bench(ServerOptions(idle_timeout_s=0.2, heartbeat_s=60.0))
    socket, ready = await bench.opened(START)
    send(socket, frame(0, 0, SPEECH[:16_000]))
    await until(lambda: bench.value("sessions_parked") == 1)
    assert socket.closed == (4408, "idle_timeout")
    assert (bench.places.taken, socket.of("bye")) == (1, [])
    awake, answer = await bench.opened(resume(ready, last_seq=socket.sent[-2].get("seq", 0)))
    assert (answer["resumed"], answer["acknowledged_offset"]) == (True, 16_000)
    send(awake, frame(0, 16_000, SPEECH[16_000:]), STOP)
    await until(lambda: awake.closed)
    assert awake.of("bye")[0]["lost_samples"] == 0
    assert awake.of("bye")[0]["received_ms"] == len(SPEECH) / 16
    await bench.close()


async def answers(bench: Bench, readies: list[dict[str, Any]]) -> list[str]:
    found = []
    for ready in readies:
        _, answer = await bench.opened(resume(ready))
        found.append(answer.get("code", answer["type"]))
    return found


async def test_strangers_do_not_push_a_parked_session_out() -> None:
    bench = Bench(ServerOptions(max_sessions=20, max_parked=4))
    mine = await parked(bench, "mine")
    strangers = [await parked(bench, "stranger") for _ in range(8)]
    assert await answers(bench, [mine, strangers[0], strangers[-1]]) == [
        "ready",
        "session_expired",
        "ready",
    ]
    await bench.close()


async def test_of_one_clients_parked_sessions_the_one_with_least_to_lose_goes() -> None:
    bench = Bench(ServerOptions(max_sessions=20, max_parked=2))
    seconds = [3.1, 1.1, 2.1]
    readies = [await parked(bench, "all", each) for each in seconds]
    assert await answers(bench, readies) == ["ready", "session_expired", "ready"]
    await bench.close()


async def test_few_sessions_are_parked_and_keep_their_places() -> None:
    bench = Bench(ServerOptions(max_sessions=3, max_parked=2))
    readies = [await parked(bench) for _ in range(3)]
    await until(lambda: bench.places.taken == 2)
    await bench.opened(START)
    _, answer = await bench.opened(START)
    assert answer["code"] == "too_many_sessions"
    answers = [(await bench.opened(resume(ready)))[1] for ready in readies]
    assert [answer["type"] for answer in answers] == ["error", "ready", "ready"]
    await bench.close()


async def test_nobody_is_let_in_while_the_machine_is_behind() -> None:
    bench = Bench(ServerOptions(refuse_lag_ms=50))
    socket, _ = await bench.opened(START)
    _, ready = await bench.opened(START)
    assert ready["type"] == "ready"
    bench.engine.hold.clear()
    for parts in (socket, (await bench.opened(START))[0]):
        send(parts, frame(0, 0, tone(0.6)))
    await until(lambda: bench.places.overdue_ms() > 50)
    _, answer = await bench.opened(START)
    assert (answer["type"], answer["code"]) == ("error", "too_many_sessions")
    assert "behind" in answer["message"]
    bench.engine.hold.set()
    await bench.idle()
    _, answer = await bench.opened(START)
    assert answer["type"] == "ready"
    await bench.close()


async def test_a_server_may_offer_no_resume() -> None:
    bench = Bench(ServerOptions(max_parked=0))
    socket, ready = await bench.opened(START)
    assert ready["resume_token"] is None
    send(socket, GONE)
    await until(lambda: bench.places.taken == 0)
    await bench.close()


async def test_ended_sessions_are_remembered_in_bounds() -> None:
    bench = Bench(ServerOptions(max_sessions=2))
    readies = []
    for _ in range(4):
        socket, ready = await bench.opened(START)
        send(socket, STOP)
        await until(lambda socket=socket: socket.closed)
        readies.append(ready)
    answers = [(await bench.opened(resume(ready)))[1]["type"] for ready in readies]
    assert answers == ["error", "error", "ready", "ready"]
    await bench.close()


async def test_a_follower_gets_what_was_said_and_what_comes(bench: Bench) -> None:
    speaker, ready = await bench.opened(START)
    send(speaker, frame(0, 0, np.concatenate([tone(0.6), silence(0.9), tone(0.6)])))
    await until(lambda: len(speaker.of("segment")) == 1)
    await bench.idle()
    follower = await bench.follow(ready["follow_id"])
    following = follower.sent[0]
    assert (following["type"], following["first_word_id"]) == ("following", 0)
    assert "resume_token" not in following
    assert ready["session_id"] not in json.dumps(following)
    await bench.idle()
    assert texts(follower) == ["w0 w8000"]
    # The speaker's cut does not cut the follower.
    send(speaker, GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    speaker, _ = await bench.opened(resume(ready, newest_seq(speaker)))
    send(speaker, frame(0, 33_600, tone(0.6)), STOP)
    await until(lambda: follower.closed)
    assert follower.closed == (1000, "stop")
    assert follower.types()[-1] == "bye"
    assert "latency" not in follower.types()
    transcript = Transcript(following["first_word_id"])
    for event in follower.sent:
        transcript.apply(SERVER_EVENT.validate_python(event))
    assert [segment.text for segment in transcript.segments] == [
        "w0 w8000",
        "w24000 w32000 w40000",
    ]


async def test_a_follower_may_only_listen(bench: Bench) -> None:
    speaker, ready = await bench.opened(START)
    for message in (frame(0, 0, tone(0.5)), STOP, json.dumps(resume(ready))):
        follower = await bench.follow(ready["follow_id"])
        send(follower, message)
        await until(lambda follower=follower: follower.closed)
        assert follower.closed == (4400, "bad_message")
    assert speaker.closed is None
    # The follow id opens nothing else.
    wrong = resume(ready, session_id=ready["follow_id"], resume_token=ready["follow_id"])
    assert (await bench.opened(wrong))[1]["code"] == "session_expired"
    with pytest.raises(ProtocolError) as caught:
        bench.registry.followed(ready["session_id"])
    assert caught.value.code is ErrorCode.UNKNOWN_SESSION


async def test_a_slow_follower_is_dropped_and_slows_nobody(bench: Bench) -> None:
    bench.options = replace(bench.options, follower_events=3)
    speaker, ready = await bench.opened(START)
    slow, quick = [await bench.follow(ready["follow_id"]) for _ in range(2)]
    slow.readable.clear()
    for i in range(10):
        send(speaker, frame(i, i * 8_000, tone(0.5)))
        await bench.idle()
    send(speaker, STOP)
    await until(lambda: speaker.closed and quick.closed)
    assert len(texts(quick)) == 1
    slow.readable.set()
    await until(lambda: slow.closed)
    assert slow.closed == (4413, "slow_follower")
    assert len(slow.sent) < 10


async def test_the_same_secret_gives_the_same_follow_id(bench: Bench) -> None:
    start = {"type": "start", "share_secret": "a secret of the speaker"}
    first, ready = await bench.opened(start)
    assert "secret" not in json.dumps(first.sent)
    follower = await bench.follow(ready["follow_id"])
    _, newer = await bench.opened(start)
    assert newer["follow_id"] == ready["follow_id"] != newer["session_id"]
    await until(lambda: follower.closed)
    assert follower.sent[-1]["reason"] == "replaced"
    send(first, CLOSED)
    await until(lambda: bench.places.taken == 1)
    again = await bench.follow(ready["follow_id"])  # the newer session
    assert again.sent[0]["type"] == "following"
    _, other = await bench.opened(START)
    assert other["follow_id"] != ready["follow_id"]


async def test_followers_get_the_finals_of_a_session_that_nobody_resumes() -> None:
    bench = Bench(ServerOptions(resume_s=0.05))
    speaker, ready = await bench.opened(START)
    follower = await bench.follow(ready["follow_id"])
    send(speaker, frame(0, 0, tone(0.6)), GONE)
    await until(lambda: follower.closed)
    assert texts(follower) == ["w0 w8000"]
    assert follower.sent[-1]["reason"] == "expired"
    await bench.close()


async def test_a_draining_server_ends_parked_sessions(bench: Bench) -> None:
    speaker, ready = await bench.opened(START)
    follower = await bench.follow(ready["follow_id"])
    send(speaker, frame(0, 0, tone(0.6)), GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    bench.registry.finish(ProtocolError(ErrorCode.SHUTTING_DOWN, "…"))
    await bench.registry.close(20.0)
    await until(lambda: follower.closed)
    assert texts(follower) == ["w0 w8000"]
    assert follower.sent[-1]["reason"] == "shutdown"
