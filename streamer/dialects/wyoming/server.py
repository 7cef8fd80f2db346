"""Wyoming connections over TCP."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from streamer.dialects.common.conversation import converse
from streamer.dialects.wyoming.codec import WyomingDialect, lengths
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.server.sender import SocketClosedError
from streamer.server.stream_server import StreamServer

_MAX_LINE_BYTES: Final = 65_536


class WyomingSocket:
    """A TCP connection as a conversation's `Socket`: a message is one whole event."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_bytes: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes

    async def receive(self) -> str | bytes:
        """Raises SocketClosedError, ProtocolError."""
        try:
            line = await self._reader.readuntil(b"\n")
            n_bytes = lengths(line)
            if n_bytes > self._max_bytes:
                raise ProtocolError(
                    ErrorCode.MESSAGE_TOO_LARGE,
                    f"event of {n_bytes} bytes; send at most {self._max_bytes} bytes at once",
                )
            return line + await self._reader.readexactly(n_bytes)
        except asyncio.LimitOverrunError:
            raise ProtocolError(
                ErrorCode.BAD_MESSAGE,
                f"no line end within {_MAX_LINE_BYTES} bytes; every event begins with a short "
                "line of JSON",
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise SocketClosedError("the client left") from error

    async def send(self, text: str) -> None:
        """Raises SocketClosedError."""
        try:
            self._writer.write(text.encode() + b"\n")
            await self._writer.drain()
        except ConnectionError as error:
            raise SocketClosedError("the client left") from error

    async def close(self, code: int, reason: str) -> None:
        """TCP knows no codes."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


async def listen(server: StreamServer, listener: socket.socket) -> asyncio.Server:
    """Serve Wyoming clients on a bound socket until the result is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket_ = WyomingSocket(reader, writer, server.options.max_message_bytes)
        dialect = WyomingDialect(
            server.engine.default_decoder, server.engine.models, version("streamer")
        )
        refusal = server.refusal({}, {}, ())
        try:
            if refusal is not None:
                server.metrics.rejected.labels(refusal.code.value).inc()
                for text in dialect.on_error(refusal):
                    await socket_.send(text)
                return
            await converse(server, socket_, dialect)
        except SocketClosedError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, sock=listener, limit=_MAX_LINE_BYTES)
