from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fakes import FakeEngine
from tests.streamer.session.helpers import Bench


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine()
    yield engine
    await asyncio.to_thread(engine.close)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    assert [r.closed for r in bench.engine.recognizers] == [1] * len(bench.engine.recognizers)
    assert bench.value("sessions_active") == bench.places.taken == 0
    await asyncio.to_thread(bench.engine.close)
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    assert not leftover
