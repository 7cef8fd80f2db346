from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError, shutting_down
from streamer.protocol.messages import ErrorCode
from streamer.runtime.metrics import ServerMetrics
from streamer.server.receiver import Receiver
from streamer.server.sender import Sender
from tests.fakes import FakeEngine


class SilentSocket:
    async def receive(self) -> str | bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine(start=False)
    yield engine
    engine.close()


def receiver(engine: FakeEngine, idle_timeout_s: float) -> Receiver:
    metrics = ServerMetrics(engine.executor)
    socket = SilentSocket()
    options = ServerOptions(idle_timeout_s=idle_timeout_s, first_message_timeout_s=idle_timeout_s)
    return Receiver(socket, Sender(socket, 1.0, metrics), options, metrics)


async def error_of(receiving: asyncio.Task[str | bytes]) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        await receiving
    return caught.value.code


async def test_a_shutdown_wakes_the_read_that_waits(engine: FakeEngine) -> None:
    waiting = receiver(engine, idle_timeout_s=60)
    task = asyncio.create_task(waiting.receive())
    await asyncio.sleep(0)
    waiting.interrupt(shutting_down())
    waiting.interrupt(shutting_down())
    assert await error_of(task) is ErrorCode.SHUTTING_DOWN


async def test_a_shutdown_in_the_instant_of_the_idle_timeout(engine: FakeEngine) -> None:
    waiting = receiver(engine, idle_timeout_s=0)
    task = asyncio.create_task(waiting.receive())
    while waiting._receiving is None or not waiting._receiving.expired():
        await asyncio.sleep(0)
    assert not task.done()
    waiting.interrupt(shutting_down())
    assert await error_of(task) is ErrorCode.SHUTTING_DOWN
