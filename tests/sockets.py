"""Connections that break when a test wants them to: in memory, and on a real network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection

from streamer.server.sender import SocketClosedError

GONE = object()
"""In a `FakeSocket`'s inbox: the connection breaks here."""
CLOSED = object()
"""The client closes the connection here."""


class FakeSocket:
    """Both ends of a websocket in memory. `stuck`: the client does not read."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[object] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.gone = False
        self.readable = asyncio.Event()
        self.readable.set()

    async def receive(self) -> str | bytes:
        message = await self.inbox.get()
        if message is GONE:
            raise SocketClosedError("gone")
        if message is CLOSED:
            raise SocketClosedError("closed", for_good=True)
        assert isinstance(message, str | bytes)
        return message

    async def send(self, text: str) -> None:
        await self.readable.wait()
        if self.gone:
            raise SocketClosedError("gone")
        self.sent.append(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        await self.readable.wait()
        self.closed = (code, reason)

    def types(self) -> list[str]:
        return [event["type"] for event in self.sent]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.sent if event["type"] == kind]


class CuttingProxy:
    """Forwards connections to a server until they are cut."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self.connections = 0
        """Made so far."""
        self.refusing = False
        """Whether new connections are cut at once."""
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._halving = False

    def cut(self) -> None:
        """Reset every connection: nothing in flight arrives, and nobody says goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_while_sending(self) -> None:
        """Let half of the next that the server says through, then cut."""
        self._halving = True

    def stall(self) -> None:
        """Let nothing through any more on the connections there are; they stay open."""
        self._flowing.clear()

    def lead_to(self, url: str) -> None:
        """From now on connections go to another server."""
        port = urlsplit(url).port
        assert port is not None
        self._port, self.refusing = port, False

    def let_go(self) -> None:
        """Nobody waits any more for what was stalled."""
        self._flowing.set()
        self.cut()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        if not self._flowing.is_set():  # only older connections are stalled
            self._flowing = asyncio.Event()
            self._flowing.set()
        flowing = self._flowing
        self._writers.add(writer)  # it can be cut before it has got through
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.add(onward_writer)
        await asyncio.gather(
            self._forward(reader, onward_writer, flowing),
            self._forward(onward_reader, writer, flowing, from_server=True),
        )
        self._writers -= {writer, onward_writer}

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flowing: asyncio.Event,
        *,
        from_server: bool = False,
    ) -> None:
        try:
            while data := await reader.read(65_536):
                await flowing.wait()
                if from_server and self._halving:
                    self._halving = False
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    await asyncio.sleep(0.01)  # a reset would overtake it
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
            writer.close()
        except ConnectionError:
            writer.transport.abort()


@asynccontextmanager
async def cutting_proxy(url: str) -> AsyncIterator[CuttingProxy]:
    """In front of the server at a `url`."""
    address = urlsplit(url)
    assert address.port is not None
    proxy = CuttingProxy(address.port)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        proxy.url = f"{address.scheme}://127.0.0.1:{port}{address.path}"
        yield proxy
        proxy.let_go()
        proxy.cut()


def rest(websocket: ClientConnection) -> list[dict[str, Any]]:
    """The messages that come until it is closed."""
    messages = []
    with suppress(ConnectionClosedError):
        for text in websocket:
            messages.append(json.loads(text))
    return messages
