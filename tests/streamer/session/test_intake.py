from __future__ import annotations

import asyncio

import numpy as np
import pytest

from streamer.protocol.frame_reader import Hole
from streamer.recognition.contract import SessionOptions
from streamer.runtime.tracing import NullSpans
from streamer.session.intake import Intake
from streamer.session.session import Session
from tests.fakes import FakeEngine, tone


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
async def test_the_clock_stays_true_over_many_holes_and_flushes(rate: int) -> None:
    engine = FakeEngine()
    recognizer = engine.recognizer(SessionOptions(), NullSpans())
    offset = 0
    async with Session(recognizer, engine.executor) as session:
        intake = Intake(session, rate)
        for i in range(30):
            samples = tone(0.1, rate)[: rate // 10 - i]
            intake.audio(samples)
            offset += len(samples)
            if i % 3 == 0:
                intake.flush()  # as a finalize does
            if i % 5 == 0:
                offset += 37
                await intake.hole(Hole(offset, "gap"))
                assert session.received_samples == round(offset * 16_000 / rate)
        intake.flush()
        assert abs(session.received_samples - offset * 16_000 / rate) <= 4
    await asyncio.to_thread(engine.close)


async def test_stages_are_timed() -> None:
    engine = FakeEngine()
    recognizer = engine.recognizer(SessionOptions(), NullSpans())
    async with Session(recognizer, engine.executor) as session:
        Intake(session, 16_000).audio(np.zeros(160, np.float32))
        assert list(session.trace.stats.percentiles()) == ["receive"]
    await asyncio.to_thread(engine.close)
