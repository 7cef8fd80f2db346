"""Sessions of one server without a network: a registry with a fake engine, and clients for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from streamer.hosting.options import ServerOptions
from streamer.protocol.frames import encode_frame
from streamer.protocol.messages import Encoding
from streamer.runtime.metrics import ServerMetrics
from streamer.server.connection import Connection
from streamer.server.follower import Follower
from streamer.server.stream_server import session_store
from streamer.session.places import Places
from tests.fakes import FakeEngine, silence, tone
from tests.serving import session_registry
from tests.sockets import GONE, FakeSocket

START = '{"type":"start"}'
STOP = '{"type":"stop"}'
SPEECH = np.concatenate([tone(1.3), silence(0.9), tone(0.7), silence(0.6), tone(1.1)])


class Bench:
    """A host with a fake engine, and clients to connect to it."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.engine = FakeEngine()
        self.options = options or ServerOptions(heartbeat_s=60.0)
        self.metrics = ServerMetrics(self.engine.executor)
        self.places = Places(self.options.max_sessions, self.options.refuse_lag_ms)
        self.store = session_store(self.options)
        self.registry = session_registry(
            self.engine, self.options, self.metrics, self.places, self.store
        )
        self.connections: list[Connection] = []
        self._tasks: list[asyncio.Task[None]] = []

    def connect(self, client: str = "") -> FakeSocket:
        socket = FakeSocket()
        connection = Connection(socket, self.registry, self.options, self.metrics, client)
        self.connections.append(connection)
        self._tasks.append(asyncio.create_task(connection.run()))
        return socket

    async def opened(
        self, message: str | dict[str, Any], client: str = ""
    ) -> tuple[FakeSocket, dict[str, Any]]:
        """A connection that has sent its first message, and the answer."""
        socket = self.connect(client)
        send(socket, message if isinstance(message, str) else json.dumps(message))
        await until(lambda: socket.sent)
        return socket, socket.sent[0]

    async def follow(self, follow_id: str) -> FakeSocket:
        socket = FakeSocket()
        follower = Follower(socket, self.options, self.metrics)
        hosted = self.registry.followed(follow_id)
        self._tasks.append(asyncio.create_task(follower.run(hosted, "draft")))
        await until(lambda: socket.sent)
        return socket

    async def idle(self) -> None:
        """Wait until all audio has been heard and all events have been sent: until nothing has
        been done for a while, as what is on its way to a recognizer is nobody's work yet."""
        n_idle = 0
        async with asyncio.timeout(20):
            while n_idle < 30:
                heard = (len(r._audio) < 8_000 and not r.busy for r in self.engine.recognizers)
                n_idle = n_idle + 1 if all(heard) else 0
                if self.store is not None:  # words are told when they are on disk
                    await asyncio.wrap_future(self.store._thread.submit(int))
                await asyncio.sleep(0.001)

    def value(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}") or 0.0

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.registry.close(0.0)
        if self.store is not None:
            await asyncio.to_thread(self.store.close)
        assert [r.closed for r in self.engine.recognizers] == [1] * len(self.engine.recognizers)
        assert self.places.taken == self.value("sessions_active") == 0
        assert self.value("sessions_parked") == self.value("followers") == 0
        await asyncio.to_thread(self.engine.close)


def send(socket: FakeSocket, *messages: object) -> None:
    for message in messages:
        socket.inbox.put_nowait(message)


def frame(seq: int, offset: int, samples: np.ndarray) -> bytes:
    return encode_frame(seq, offset, 0.0, samples, Encoding.PCM_S16LE)


def resume(ready: dict[str, Any], last_seq: int = 0, **changed: object) -> dict[str, Any]:
    message = {"type": "resume", "last_seq": last_seq}
    return message | {key: ready[key] for key in ("session_id", "resume_token")} | changed


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def until_closed(socket: FakeSocket) -> None:
    await until(lambda: socket.closed)


def newest_seq(socket: FakeSocket) -> int:
    newest: int = max(event.get("seq", 0) for event in socket.sent)
    return newest


def texts(socket: FakeSocket) -> list[str]:
    return [event["text"] for event in socket.of("segment")]


async def parked(bench: Bench, client: str = "", seconds: float = 0.6) -> dict[str, Any]:
    before = bench.value("sessions_parked")
    socket, ready = await bench.opened(START, client)
    send(socket, frame(0, 0, tone(seconds)))
    await bench.idle()
    send(socket, GONE)
    most = bench.options.max_parked
    await until(lambda: bench.value("sessions_parked") >= min(before + 1, most))
    await until(socket.inbox.empty)
    await asyncio.sleep(0.01)
    return ready
