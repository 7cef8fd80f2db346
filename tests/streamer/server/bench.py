"""A native connection without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from streamer.hosting.options import ServerOptions
from streamer.hosting.session_registry import SessionRegistry
from streamer.protocol.frames import encode_frame
from streamer.protocol.messages import Encoding
from streamer.runtime.metrics import ServerMetrics
from streamer.server.connection import Connection
from streamer.server.connection_state import ConnectionState
from tests.fakes import FakeEngine
from tests.serving import session_registry
from tests.sockets import FakeSocket

START = '{"type":"start"}'
STOP = '{"type":"stop"}'


class Bench:
    """A connection with a fake client and a fake engine."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.options = ServerOptions(idle_timeout_s=20, heartbeat_s=0.02, send_timeout_s=20)
        self.socket = FakeSocket()
        self.metrics = ServerMetrics(self.engine.executor)
        self._registry: SessionRegistry | None = None
        self._seq = 0
        self._offset = 0

    @property
    def registry(self) -> SessionRegistry:
        if self._registry is None:
            self._registry = session_registry(self.engine, self.options, self.metrics)
        return self._registry

    def connection(self) -> Connection:
        return Connection(self.socket, self.registry, self.options, self.metrics)

    async def run(self, *messages: object) -> Connection:
        """Everything the client sends, then wait for the server to end."""
        self.send(*messages)
        connection = self.connection()
        async with asyncio.timeout(30):
            await connection.run()
        assert connection.state is ConnectionState.CLOSED
        return connection

    def send(self, *messages: object) -> None:
        for message in messages:
            self.socket.inbox.put_nowait(message)

    def audio(self, samples: np.ndarray, encoding: Encoding = Encoding.PCM_S16LE) -> bytes:
        data = encode_frame(self._seq, self._offset, 0.0, samples, encoding)
        self._seq += 1
        self._offset += len(samples)
        return data

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)
