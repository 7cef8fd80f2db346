"""What a session tells of audio that is late or lost, to the sample."""

from __future__ import annotations

import asyncio

import numpy as np

from streamer.session.limits import SessionLimits
from streamer.session.session import Session
from streamer.transcript.events import AudioLost
from tests.fakes import FakeEngine, tone
from tests.streamer.session.helpers import events_of, recognizer_of


async def losses(session: Session) -> list[AudioLost]:
    session.stop()
    return [event for event in await events_of(session) if isinstance(event, AudioLost)]


async def test_audio_that_was_pushed_out_is_late_no_more(engine: FakeEngine) -> None:
    engine.buffer_s = 0.4  # less than a step takes: nothing is ever due
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(tone(0.4))
        await asyncio.sleep(0.3)
        assert session.lag_ms >= 300
        session.feed(tone(0.4))  # pushes the first out
        assert session.lag_ms < 200
        assert await losses(session) == [AudioLost(0, 6_400, "overrun")]


async def test_each_chunk_is_late_until_it_has_been_heard_whole(engine: FakeEngine) -> None:
    engine.hold.clear()
    async with Session(recognizer_of(engine), engine.executor) as session:
        reader = asyncio.create_task(events_of(session))
        session.feed(tone(0.5))
        await asyncio.sleep(0.1)
        session.feed(tone(0.5))
        assert session.lag_ms >= 100
        assert session.overdue_ms >= 100
        engine.hold.set()
        async with asyncio.timeout(5):
            while session.processed_samples < 16_000:
                await asyncio.sleep(0.001)
        session.feed(tone(0.3))
        await asyncio.sleep(0.05)
        assert session.lag_ms >= 50
        assert session.overdue_ms == 0  # too little for a step: nobody is behind
        session.stop()
        await reader


async def test_losses_apart_are_told_apart(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        await session.skip(100, "gap")
        session.feed(tone(0.1))
        await session.skip(100, "gap")
        await session.skip(100, "bad_samples")
        await session.skip(100, "bad_samples")
        assert await losses(session) == [
            AudioLost(0, 100, "gap"),
            AudioLost(1_700, 100, "gap"),
            AudioLost(1_800, 200, "bad_samples"),
        ]


async def test_nobody_is_held_back_for_what_no_step_will_take(engine: FakeEngine) -> None:
    limits = SessionLimits(max_backlog_s=0.1, recording=True)
    async with Session(recognizer_of(engine), engine.executor, limits) as session:
        session.feed(tone(0.3))
        async with asyncio.timeout(5):
            await session.room()


async def test_a_single_sample_counts(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        session.feed(np.zeros(1, np.float32))
        session.feed(np.zeros(0, np.float32))
        assert session.received_samples == 1
