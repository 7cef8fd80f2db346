"""A server that sends everybody to another; sockets in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streamer.hosting.options import ServerOptions
from streamer.hosting.stored_session import StoredSession
from streamer.server.connection import Connection
from streamer.server.stream_server import StreamServer
from tests.fakes import FakeEngine, silence, tone
from tests.sockets import GONE, FakeSocket
from tests.streamer.hosting.bench import frame
from tests.streamer.server.bench import START, until

LONG_S = 60.0


class Leaving:
    """A server and its clients."""

    def __init__(self) -> None:
        options = ServerOptions(replica="a", heartbeat_s=60.0)
        self.server = StreamServer(FakeEngine(), options)
        self.tasks: list[asyncio.Task[None]] = []
        self.handed_over: list[tuple[str, bool]] = []

    async def client(self, *audio: bytes) -> FakeSocket:
        socket, server = FakeSocket(), self.server
        for message in (START, *audio):
            socket.inbox.put_nowait(message)
        connection = Connection(socket, server.registry, server.options, server.metrics)
        self.tasks.append(asyncio.create_task(server.hold(connection)))
        await until(lambda: socket.of("words"))
        return socket

    def leave(self, within_s: float) -> asyncio.Task[None]:
        async def hand_over(session: StoredSession, renamed: bool) -> str | None:
            self.handed_over.append((session.id, renamed))
            return f"b.{session.id}"

        task = asyncio.create_task(self.server.move_away(hand_over, within_s))
        self.tasks.append(task)
        return task


@pytest.fixture
async def leaving() -> AsyncIterator[Leaving]:
    leaving = Leaving()
    yield leaving
    async with asyncio.timeout(20):
        await leaving.server.close()
        await asyncio.gather(*leaving.tasks)


async def test_each_session_goes_at_its_next_silence(leaving: Leaving) -> None:
    silent = await leaving.client(frame(0, 0, tone(1.0)), frame(1, 16_000, silence(2.0)))
    await until(lambda: silent.of("segment"))
    speaking = await leaving.client(frame(0, 0, tone(1.0)))
    task = leaving.leave(LONG_S)
    await until(lambda: silent.closed)
    assert silent.of("move")
    assert speaking.closed is None
    assert leaving.server.room == 0
    speaking.inbox.put_nowait(frame(1, 16_000, silence(2.0)))
    await until(lambda: speaking.closed)
    assert speaking.of("segment")
    assert speaking.of("move")
    await task


async def test_whoever_speaks_on_goes_when_the_time_is_over(leaving: Leaving) -> None:
    speaking = await leaving.client(frame(0, 0, tone(1.0)))
    await leaving.leave(0.0)
    assert speaking.closed == (1012, "move")
    assert not speaking.of("segment")


async def test_sessions_whose_clients_are_away_go_at_once_and_keep_their_ids(
    leaving: Leaving,
) -> None:
    away = await leaving.client(frame(0, 0, tone(1.0)))
    (ready,) = away.of("ready")
    away.inbox.put_nowait(GONE)
    registry = leaving.server.registry
    await until(lambda: registry.parked)
    speaking = await leaving.client(frame(0, 0, tone(1.0)))
    leaving.leave(LONG_S)
    await until(lambda: leaving.handed_over)
    assert leaving.handed_over == [(ready["session_id"], False)]
    assert not registry.parked
    assert speaking.closed is None
    speaking.inbox.put_nowait(GONE)
    await until(lambda: len(leaving.handed_over) == 2)
