from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from streamer.session.failure import SessionFailedError
from streamer.session.limits import SessionLimits
from streamer.session.report import Report
from streamer.session.session import Session
from streamer.transcript.events import (
    AudioLost,
    Finalized,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from tests.fakes import FakeEngine, eventually, silence, tone
from tests.streamer.session.helpers import events_of, recognizer_of, until


async def test_audio_becomes_words_and_stop_flushes_them(engine: FakeEngine) -> None:
    recognizer = recognizer_of(engine)
    async with Session(recognizer, engine.executor) as session:
        session.feed(tone(1.2))
        session.stop()
        session.feed(tone(9.0))  # too late
        events = await events_of(session)
        assert session.received_samples == session.processed_samples == 19_200
        assert session.lost_samples == 0
    closed = [event for event in events if isinstance(event, SegmentClosed)]
    assert closed[0].segment.text == "w0 w8000 w16000"
    assert recognizer.closed == 1
    assert all(name.startswith("fake-engine") for name in recognizer.threads)
    assert {"dequeue", "encode", "decode"} <= set(session.trace.stats.percentiles())


async def test_events_come_while_the_step_still_runs(engine: FakeEngine) -> None:
    recognizer = recognizer_of(engine)
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    hear = recognizer._hear

    def hear_and_wait(n_samples: int) -> Iterator[SessionEvent]:
        yield from hear(n_samples)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)

    recognizer._hear = hear_and_wait  # type: ignore[method-assign]
    async with Session(recognizer, engine.executor) as session:
        session.feed(tone(0.5))
        report = await anext(aiter(session))
        assert isinstance(report.event, SpeechBegan)
        assert recognizer.busy
        gate.set()


async def test_lag_is_the_age_of_unheard_audio(engine: FakeEngine) -> None:
    recognizer = recognizer_of(engine)
    async with Session(recognizer, engine.executor) as session:
        assert session.lag_ms == 0.0
        engine.hold.clear()
        captured_ms = time.time() * 1000 - 500
        session.feed(tone(0.5), captured_ms)
        await asyncio.sleep(0.05)
        assert session.lag_ms >= 40
        engine.hold.set()
        session.stop()
        reports = [report async for report in session]
    words = next(r for r in reports if isinstance(r.event, WordsUpdate))
    assert words.lag_ms >= 40
    step = next(r for r in reports if isinstance(r.event, StepDone))
    assert step.lag_ms == 0.0
    assert step.capture_to_emit_ms is not None
    assert step.capture_to_emit_ms >= 530


@pytest.mark.parametrize("offset_ms", [3_600_000.0, -3_600_000.0])
async def test_clocks_that_disagree_give_no_capture_age(
    engine: FakeEngine, offset_ms: float
) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(tone(0.5), time.time() * 1000 + offset_ms)
        session.stop()
        reports = [report async for report in session]
    assert [r.capture_to_emit_ms for r in reports if isinstance(r.event, StepDone)] == [None]


async def test_the_session_that_waits_longest_goes_first() -> None:
    engine = FakeEngine(start=False)
    deadlines: list[float] = []
    engine.executor.submit = lambda deadline, job: deadlines.append(deadline)  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        sessions = [Session(recognizer_of(engine), engine.executor) for _ in range(2)]
        for session in sessions:
            await session.__aenter__()
        before = time.monotonic()
        sessions[1].feed(tone(0.4))
        await asyncio.sleep(0.03)
        sessions[0].feed(tone(0.6))
        await asyncio.sleep(0.03)
        sessions[1].feed(tone(0.4))
        await until(lambda: len(deadlines) == 2)
        # Session 1 became due last, but its oldest audio came first.
        assert before <= deadlines[1] < deadlines[0] <= time.monotonic()
        for session in sessions:
            assert session._driver is not None
            session._driver.cancel()
            group.create_task(_swallow(session._driver))


async def _swallow(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})


async def test_finalize_closes_the_segment_and_the_session_goes_on(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(tone(0.7))
        await session.finalize()
        session.feed(tone(0.7))
        session.stop()
        await session.finalize()  # returns at once, stop finalizes anyway
        events = await events_of(session)
    closed = [event.segment for event in events if isinstance(event, SegmentClosed)]
    assert [segment.text for segment in closed] == ["w0 w8000", "w11200 w19200"]


async def test_a_reader_that_does_not_read_stops_the_steps(engine: FakeEngine) -> None:
    engine.buffer_s = 5.0
    recognizer = recognizer_of(engine)
    limits = SessionLimits(outbox_events=4)
    async with Session(recognizer, engine.executor, limits) as session:
        for _ in range(300):
            session.feed(tone(0.1))
            await asyncio.sleep(0.0005)
        await until(lambda: recognizer.lost_samples > 0)
        assert recognizer.steps < 10
        # 4 events, those of the step that filled it, and the losses as one.
        assert len(session._outbox) <= 4 + 3 + 1
        lost_before = recognizer.lost_samples
        session.stop()
        events = await events_of(session)
    lost = [event for event in events if isinstance(event, AudioLost)]
    assert sum(event.n_samples for event in lost) == lost_before == session.lost_samples
    assert session.received_samples == 480_000


async def test_skip_keeps_the_clock_true_and_is_one_loss(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(tone(0.5))
        await session.skip(40_000, "gap")
        session.feed(tone(0.5))
        session.stop()
        events = await events_of(session)
    assert [e for e in events if isinstance(e, AudioLost)] == [AudioLost(8_000, 40_000, "gap")]
    closed = [event.segment for event in events if isinstance(event, SegmentClosed)]
    assert [segment.text for segment in closed] == ["w0", "w48000"]
    assert session.received_samples == 56_000


async def test_skipping_nothing_or_too_late_does_nothing(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        await session.skip(-1, "gap")
        session.stop()
        await session.skip(100, "gap")
        assert await events_of(session) == []
    assert session.received_samples == 0


async def test_a_recording_is_held_back_until_it_is_heard(engine: FakeEngine) -> None:
    recognizer = recognizer_of(engine)
    limits = SessionLimits(max_backlog_s=1.0, recording=True)
    engine.hold.clear()
    async with Session(recognizer, engine.executor, limits) as session:
        session.feed(tone(3.0))
        held = asyncio.create_task(session.room())
        await asyncio.sleep(0.25)
        assert not held.done()
        engine.hold.set()
        reader = asyncio.create_task(events_of(session))
        await held
        assert session.received_samples - session.processed_samples <= 16_000
        session.stop()
        await reader


async def test_only_what_is_unheard_counts_as_backlog(engine: FakeEngine) -> None:
    limits = SessionLimits(max_backlog_s=1.0, recording=True)
    async with Session(recognizer_of(engine), engine.executor, limits) as session:
        reader = asyncio.create_task(events_of(session))
        session.feed(tone(3.0))
        await asyncio.to_thread(eventually, lambda: session.processed_samples == 48_000)
        engine.hold.clear()
        session.feed(tone(0.9))
        async with asyncio.timeout(5):
            await session.room()
        engine.hold.set()
        session.stop()
        await reader


async def test_live_audio_is_held_back_only_while_ahead_of_time(engine: FakeEngine) -> None:
    engine.hold.clear()
    limits = SessionLimits(max_backlog_s=0.1, live_slack_s=0.1)
    async with Session(recognizer_of(engine), engine.executor, limits) as session:
        session.feed(tone(0.6))
        began = time.monotonic()
        await session.room()
        assert time.monotonic() - began >= 0.4
        assert session.processed_samples == 0
        engine.hold.set()


async def test_a_broken_step_ends_this_session_and_no_other(engine: FakeEngine) -> None:
    broken, sound = recognizer_of(engine), recognizer_of(engine)
    async with (
        Session(broken, engine.executor) as session,
        Session(sound, engine.executor) as other,
    ):
        session.feed(tone(0.5))
        first = aiter(session)
        seen: list[Report] = [await anext(first), await anext(first), await anext(first)]
        engine.fail_at_step = 2
        session.feed(tone(0.5))
        with pytest.raises(SessionFailedError, match="start a new session"):
            await gather_into(seen, first)
        engine.fail_at_step = 0
        session.feed(tone(1.0))  # ignored
        await session.finalize()
        await session.skip(10, "gap")
        await session.room()
        other.feed(silence(0.5))
        other.feed(tone(0.5))
        other.stop()
        assert any(isinstance(event, SegmentClosed) for event in await events_of(other))
    assert any(isinstance(report.event, WordsUpdate) for report in seen)
    assert (broken.closed, sound.closed) == (1, 1)
    assert session.received_samples == 16_000


async def gather_into(seen: list[Report], reports: AsyncIterator[Report]) -> None:
    async for report in reports:
        seen.append(report)


async def test_an_engine_that_is_gone_is_a_clear_failure() -> None:
    engine = FakeEngine()
    recognizer = recognizer_of(engine)
    await asyncio.to_thread(engine.close)
    async with Session(recognizer, engine.executor) as session:
        session.feed(tone(0.5))
        with pytest.raises(SessionFailedError, match="shutting down"):
            await events_of(session)
    assert recognizer.closed == 1


async def test_abort_waits_for_the_running_step_and_schedules_no_more(
    engine: FakeEngine,
) -> None:
    recognizer = recognizer_of(engine)
    engine.hold.clear()
    session = Session(recognizer, engine.executor)
    await session.__aenter__()
    session.feed(tone(5.0))
    await until(lambda: recognizer.busy)
    finalizing = asyncio.create_task(session.finalize())
    await asyncio.sleep(0)
    aborting = asyncio.create_task(session.abort())
    await asyncio.sleep(0.02)
    assert not aborting.done()
    assert recognizer.closed == 0
    await finalizing
    engine.hold.set()
    await aborting
    await session.abort()
    assert recognizer.closed == 1
    assert recognizer.steps == 1
    assert [report async for report in session] == []


async def test_abort_of_a_queued_step_never_runs_it() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    recognizers = [recognizer_of(engine) for _ in range(4)]
    sessions = [Session(recognizer, engine.executor) for recognizer in recognizers]
    for session in sessions:
        await session.__aenter__()
        session.feed(tone(1.0))
        await asyncio.sleep(0.01)
    await until(lambda: engine.executor.queued == 2)
    aborts = [asyncio.create_task(session.abort()) for session in sessions]
    await asyncio.sleep(0.01)
    engine.hold.set()
    await asyncio.gather(*aborts)
    assert [recognizer.steps for recognizer in recognizers] == [1, 1, 0, 0]
    assert [recognizer.closed for recognizer in recognizers] == [1, 1, 1, 1]
    await asyncio.to_thread(engine.close)


async def test_an_idle_session_costs_nothing(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(np.zeros(0, np.float32))
        await asyncio.sleep(0.01)
        assert not session._wake.is_set()
    assert len(asyncio.all_tasks()) == 1


async def test_finalized_comes_behind_all_that_came_of_it(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(tone(0.7))
        await session.finalize()
        await session.finalize()  # nothing is open: it is answered all the same
        session.stop()
        events = [r.event async for r in session if not isinstance(r.event, StepDone)]
    closed, first, second = events[-3:]
    assert isinstance(closed, SegmentClosed)
    assert closed.cause == "finalize"
    assert first == second == Finalized(11_200)
