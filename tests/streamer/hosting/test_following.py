"""Sessions that are followed; sockets in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from streamer.client.transcript import Transcript
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import SERVER_EVENT, ErrorCode
from tests.fakes import silence, tone
from tests.sockets import CLOSED, GONE
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
    until_closed,
)


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
        await until_closed(follower)
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
