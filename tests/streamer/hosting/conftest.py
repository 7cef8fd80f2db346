from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.streamer.hosting.bench import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
