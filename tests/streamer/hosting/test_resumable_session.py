"""The states of a session that outlives its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streamer.hosting.resumable_session import ResumableSession
from streamer.hosting.session_state import IllegalSessionTransitionError, SessionState
from streamer.protocol.errors import ProtocolError, shutting_down
from streamer.protocol.messages import StartMessage
from streamer.recognition.contract import SessionOptions
from streamer.runtime.metrics import ServerMetrics
from streamer.session.limits import SessionLimits
from streamer.session.places import Places
from streamer.session.report import Report
from streamer.session.runner import SessionRunner
from streamer.transcript.events import SegmentClosed
from tests.fakes import FakeEngine, tone


class Bench:
    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.runner = SessionRunner(
            self.engine, Places(8, 2_000), SessionLimits(), ServerMetrics(self.engine.executor)
        )
        self.ended: list[ResumableSession] = []

    def open(self) -> ResumableSession:
        run = self.runner.open(SessionOptions(), 16_000)
        session = ResumableSession("follow", StartMessage(), run, self.ended.append)
        run.intake.audio(tone(1.0))
        return session


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    assert [r.closed for r in bench.engine.recognizers] == [1] * len(bench.engine.recognizers)
    await asyncio.to_thread(bench.engine.close)


async def read(session: ResumableSession) -> list[Report]:
    return [report async for report in session.follow(10, 100).events]


def finals(reports: list[Report]) -> int:
    return sum(isinstance(report.event, SegmentClosed) for report in reports)


@pytest.mark.parametrize(
    ("error", "reason"), [(None, "stop"), (shutting_down(), "shutdown")], ids=["stop", "shutdown"]
)
async def test_a_session_that_finishes_may_be_fetched(
    bench: Bench, error: ProtocolError | None, reason: str
) -> None:
    session = bench.open()
    session.finish(error)
    assert session.state is SessionState.FINISHING
    session.finish(ProtocolError(shutting_down().code, "the second call does not count"))
    await session.ended()
    assert (session.state, session.resumable) == (SessionState.ENDED, True)
    assert session.farewell is not None
    assert session.farewell.error is error
    assert session.farewell.bye.reason == reason
    assert session.running is None
    assert finals(await read(session)) == 1
    assert bench.ended == [session]


async def test_an_abandoned_session_makes_no_finals(bench: Bench) -> None:
    session = bench.open()
    session.abandon("left")
    assert (session.state, session.resumable) == (SessionState.CANCELLED, False)
    session.finish(None)
    session.abandon("again")
    await session.ended()
    assert session.state is SessionState.GONE
    assert session.bye("…").reason == "left"
    assert finals(await read(session)) == 0


@pytest.mark.parametrize("finishing", [False, True])
async def test_followers_get_the_finals_of_an_abandoned_session(
    bench: Bench, finishing: bool
) -> None:
    session = bench.open()
    following = session.follow(10, 100)
    if finishing:
        session.finish(None)
    session.abandon("expired")
    assert (session.state, session.resumable) == (SessionState.ABANDONED, False)
    assert finals([report async for report in following.events]) == 1
    await session.ended()
    assert session.state is SessionState.GONE
    assert session.bye("…").reason == ("stop" if finishing else "expired")


async def test_abort_leaves_no_followers_waiting(bench: Bench) -> None:
    session = bench.open()
    following = session.follow(10, 100)
    session.abandon("expired")
    await session.abort()
    assert session.state is SessionState.GONE
    assert finals([report async for report in following.events]) == 0


async def test_a_broken_recognizer_ends_it(bench: Bench) -> None:
    bench.engine.fail_at_step = 1
    session = bench.open()
    await session.ended()
    assert session.state is SessionState.ENDED
    assert session.bye("…").reason == "internal"


async def test_what_has_ended_may_be_given_up_and_nothing_else(bench: Bench) -> None:
    session = bench.open()
    session.finish(None)
    await session.ended()
    session.abandon("internal")
    assert session.state is SessionState.GONE
    with pytest.raises(IllegalSessionTransitionError, match="gone → live"):
        session._move(SessionState.LIVE)
