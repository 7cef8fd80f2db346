"""A Wyoming connection whose network breaks, in every way that a system has for that."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket

import pytest

from streamer.dialects.wyoming.codec import MAX_JSON_BYTES
from streamer.dialects.wyoming.server import WyomingSocket, listen
from streamer.hosting.options import ServerOptions
from streamer.runtime.log_limits import RepeatFilter
from streamer.server.connection_guard import ConnectionGuard
from streamer.server.sender import SocketClosedError
from streamer.server.stream_server import StreamServer
from tests.conversations import log_records, said
from tests.fakes import FakeEngine

BROKEN = [
    errno.ECONNRESET,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENOBUFS,
    errno.EBADF,
]


@pytest.fixture
async def connection() -> tuple[WyomingSocket, asyncio.StreamReaderProtocol]:
    """The server's end, and what the event loop tells when the network breaks."""
    here, there = socket.socketpair()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_JSON_BYTES)
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader), sock=here
    )
    there.close()
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    return WyomingSocket(reader, writer, 1_000_000, lambda: None), protocol


@pytest.mark.parametrize("number", BROKEN, ids=errno.errorcode.get)
async def test_a_broken_network_is_a_client_that_left(
    connection: tuple[WyomingSocket, asyncio.StreamReaderProtocol], number: int
) -> None:
    client, protocol = connection
    protocol.connection_lost(OSError(number, os.strerror(number)))
    with pytest.raises(SocketClosedError, match="the client left"):
        await client.receive()
    with pytest.raises(SocketClosedError, match="the client left"):
        await client.send("{}")
    await client.close(1000, "")


@pytest.mark.parametrize("number", BROKEN, ids=errno.errorcode.get)
async def test_it_leaves_nothing_in_the_log(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """With a session that has begun, in the middle of an event."""
    engine = FakeEngine()
    server = StreamServer(engine, ServerOptions(wyoming_port=0, shutdown_grace_s=0.1))
    accepted: list[asyncio.StreamReaderProtocol] = []
    listener = socket.create_server(("127.0.0.1", 0))

    class Kept(asyncio.StreamReaderProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if transport.get_extra_info("sockname") == listener.getsockname():
                accepted.append(self)
            super().connection_made(transport)

    monkeypatch.setattr(asyncio.streams, "StreamReaderProtocol", Kept)
    async with await listen(server, ConnectionGuard(8), listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        shape = b'"data": {"rate": 16000, "width": 2, "channels": 1}'
        chunk = b'{"type": "audio-chunk", %s, "payload_length": 32000}\n' % shape
        writer.write(chunk + bytes(32_000) + chunk + bytes(10))
        async with asyncio.timeout(10):
            while server.places.taken == 0:
                await asyncio.sleep(0.01)
            with log_records() as records:
                (broken,) = accepted
                broken.connection_lost(OSError(number, os.strerror(number)))
                while server.connections or server.places.taken:
                    await asyncio.sleep(0.01)
        writer.transport.abort()
    await server.close()
    assert [said(record) for record in records if record.levelno > logging.INFO] == []
    assert [recognizer.closed for recognizer in engine.recognizers] == [1]


async def test_a_fault_behind_the_port_is_one_line_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*request: object) -> None:
        raise KeyError("Quetzalcoatl")

    server = StreamServer(FakeEngine(), ServerOptions(wyoming_port=0))
    monkeypatch.setattr(server, "refusal", breaks)
    listener = socket.create_server(("127.0.0.1", 0))
    guard = ConnectionGuard(8)
    with log_records() as records:
        async with await listen(server, guard, listener):
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                assert await reader.read() == b""
                writer.close()
    await server.close()
    lines = [said(record) for record in records if record.levelno > logging.INFO]
    assert len(lines) == 20
    assert lines[0].startswith("a Wyoming connection broke: KeyError < wyoming/test_server.py:")
    assert "Quetzalcoatl" not in "".join(lines)
    assert "\n" not in lines[0]
    limited = RepeatFilter()
    assert sum(limited.filter(record) for record in records if record.levelno > 20) == 1
