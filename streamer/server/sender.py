"""The sending half of a websocket: events in order, with a limit on how long a client may
leave them unread."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from pydantic import BaseModel

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorEvent
from streamer.runtime.metrics import ServerMetrics

logger = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S: Final = 2.0


class SocketClosedError(ConnectionError):
    """The peer is gone, or does not read any more.

    `for_good`: it closed the connection itself, as programs and pages do that end.
    """

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class Socket(Protocol):
    """What a connection needs of a websocket that has been accepted."""

    async def receive(self) -> str | bytes:
        """The next message. Raises SocketClosedError."""

    async def send(self, text: str) -> None:
        """Raises SocketClosedError."""

    async def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; quiet if the peer is gone."""


class Sender:
    """Sends events to one client; may be used from several tasks."""

    def __init__(self, socket: Socket, timeout_s: float, metrics: ServerMetrics) -> None:
        self._socket = socket
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._lock = asyncio.Lock()

    async def send(self, event: BaseModel) -> None:
        """Raises SocketClosedError, also if the client does not read for too long."""
        await self.send_text(event.model_dump_json())

    async def send_text(self, text: str) -> None:
        """As `send`, for what has been written out already."""
        try:
            async with asyncio.timeout(self._timeout_s), self._lock:
                await self._socket.send(text)
        except TimeoutError:
            raise SocketClosedError("the client does not read") from None

    async def send_error(self, error: ProtocolError) -> None:
        """Raises SocketClosedError."""
        self._metrics.errors.labels(error.code.value).inc()
        await self.send(ErrorEvent(code=error.code, message=error.message, fatal=error.fatal))

    async def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; gives up on a client that does not read."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._socket.close(code, reason)
        except TimeoutError:
            logger.info("a client does not take its close")
