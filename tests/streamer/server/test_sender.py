from __future__ import annotations

import asyncio

import pytest

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import SERVER_EVENT, ErrorCode, ErrorEvent
from streamer.runtime.metrics import ServerMetrics
from streamer.server.sender import Sender, SocketClosedError
from tests.fakes import FakeEngine


class OneAtATimeSocket:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.stuck = False
        self._sending = False

    async def receive(self) -> str | bytes:
        raise AssertionError

    async def send(self, text: str) -> None:
        assert not self._sending
        self._sending = True
        await asyncio.sleep(60 if self.stuck else 0)
        self.sent.append(text)
        self._sending = False

    async def close(self, code: int, reason: str) -> None:
        raise AssertionError


@pytest.fixture
def metrics() -> ServerMetrics:
    return ServerMetrics(FakeEngine(start=False).executor)


async def test_tasks_take_turns(metrics: ServerMetrics) -> None:
    socket = OneAtATimeSocket()
    sender = Sender(socket, 20.0, metrics)
    errors = [ProtocolError(ErrorCode.SEQUENCE_GAP, str(i)) for i in range(5)]
    await asyncio.gather(*(sender.send_error(error) for error in errors))
    events = [SERVER_EVENT.validate_json(text) for text in socket.sent]
    assert events == [
        ErrorEvent(code=ErrorCode.SEQUENCE_GAP, message=str(i), fatal=False) for i in range(5)
    ]
    count = metrics.registry.get_sample_value("streamer_errors_total", {"code": "sequence_gap"})
    assert count == 5


async def test_a_client_that_does_not_read_counts_as_gone(metrics: ServerMetrics) -> None:
    socket = OneAtATimeSocket()
    socket.stuck = True
    with pytest.raises(SocketClosedError, match="does not read"):
        await Sender(socket, 0.01, metrics).send_error(ProtocolError(ErrorCode.INTERNAL, "x"))
