"""Wyoming connections over TCP."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from streamer.dialects.common.conversation import converse
from streamer.dialects.common.dialect import Dialect
from streamer.dialects.common.settings import Offer
from streamer.dialects.wyoming.codec import MAX_JSON_BYTES, WyomingDialect, lengths
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.runtime.faults import fault_line
from streamer.server.connection_guard import ConnectionGuard
from streamer.server.sender import Sender, SocketClosedError
from streamer.server.stream_server import StreamServer

logger = logging.getLogger(__name__)

_READ_BYTES: Final = 65_536


class WyomingSocket:
    """A TCP connection as a conversation's `Socket`: a message is one whole event."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        max_bytes: int,
        on_event: Callable[[], None],
    ) -> None:
        """
        Args:
            reader: its limit is `MAX_JSON_BYTES`.
            max_bytes: of an event.
            on_event: called for each one that has come whole.
        """
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._on_event = on_event

    async def receive(self) -> str | bytes:
        """Raises SocketClosedError, ProtocolError."""
        try:
            line = await self._reader.readuntil(b"\n")
            n_bytes = len(line) + lengths(line)
            if n_bytes > self._max_bytes:
                raise ProtocolError(
                    ErrorCode.MESSAGE_TOO_LARGE,
                    f"event of {n_bytes} bytes; send at most {self._max_bytes} bytes at once",
                )
            event = line + await self._reader.readexactly(n_bytes - len(line))
        except asyncio.LimitOverrunError:
            raise ProtocolError(
                ErrorCode.BAD_MESSAGE,
                f"no line end within {MAX_JSON_BYTES} bytes; every event begins with a short "
                "line of JSON",
            ) from None
        except (asyncio.IncompleteReadError, OSError) as error:
            raise SocketClosedError("the client left") from error
        self._on_event()
        return event

    async def send(self, text: str) -> None:
        """Raises SocketClosedError."""
        try:
            self._writer.write(text.encode() + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise SocketClosedError("the client left") from error

    async def close(self, code: int, reason: str) -> None:
        """Returns when the client has closed too. TCP knows no codes."""
        with suppress(OSError):
            self._writer.write_eof()
            # Who closes a connection with bytes in it unread resets it: the last words get lost.
            while await self._reader.read(_READ_BYTES):
                pass
            self._writer.close()
            await self._writer.wait_closed()


async def listen(
    server: StreamServer, guard: ConnectionGuard, listener: socket.socket
) -> asyncio.Server:
    """Serve Wyoming clients on a bound socket until the result is closed."""
    program_version = version("streamer")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        engine = server.engine
        offer = Offer.of(engine, server.options)
        dialect = WyomingDialect(offer, engine.models, program_version)
        if not guard.admit(transport):
            writer.writelines(f"{text}\n".encode() for text in dialect.on_error(_no_room()))
            writer.close()
            return
        max_bytes = server.options.max_message_bytes
        client = WyomingSocket(reader, writer, max_bytes, lambda: guard.settle(transport))
        try:
            refusal = server.refusal({}, {}, ())
            if refusal is None:
                await converse(server, client, dialect)
            else:
                await _refuse(server, client, dialect, refusal)
        except Exception as error:  # noqa: BLE001 - asyncio would log it with what it holds
            logger.error("a Wyoming connection broke: %s", fault_line(error))
        finally:
            transport.abort()  # what is left now, the client has not read for long
            guard.leave(transport)

    return await asyncio.start_server(serve, sock=listener, limit=MAX_JSON_BYTES)


async def _refuse(
    server: StreamServer, client: WyomingSocket, dialect: Dialect, refusal: ProtocolError
) -> None:
    server.metrics.rejected.labels(refusal.code.value).inc()
    sender = Sender(client, server.options.send_timeout_s, server.metrics)
    with suppress(SocketClosedError):
        for text in dialect.on_error(refusal):
            await sender.send_text(text)
        await sender.close(dialect.close_code(refusal), refusal.code.value)


def _no_room() -> ProtocolError:
    return ProtocolError(
        ErrorCode.TOO_MANY_SESSIONS, "there are too many connections; try again later"
    )
