"""Sessions that are cut, resumed and taken over; sockets in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.client.transcript import Transcript
from streamer.protocol.messages import SERVER_EVENT
from tests.fakes import tone
from tests.sockets import CLOSED, GONE
from tests.streamer.hosting.bench import (
    SPEECH,
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
        frames: list[bytes] = []
        while offset < len(SPEECH) and (cut is None or len(frames) < cut.sends):
            piece = SPEECH[offset : offset + size]
            frames.append(frame(len(frames), offset, piece))
            offset += len(piece)
        if cut is None:
            send(socket, *frames, STOP)
            await until_closed(socket)
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
        await until_closed(socket)
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
