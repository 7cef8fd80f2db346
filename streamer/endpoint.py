"""The websocket endpoint: admission, the connections that run, and their orderly end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamer.access import SUBPROTOCOL, origin_is_allowed, token_is_right
from streamer.connection import Connection
from streamer.inbound import ProtocolError
from streamer.latency import LatencyTrace, TraceWriter
from streamer.metrics import ServerMetrics
from streamer.protocol import ErrorCode
from streamer.receiver import shutting_down
from streamer.recognizer_api import RecognizerFactory
from streamer.sender import SocketClosedError
from streamer.server_options import ServerOptions

logger = logging.getLogger(__name__)


class Served(Protocol):
    """A client that holds a place: a native connection, or one in another dialect."""

    async def run(self) -> None: ...

    def shut_down(self) -> None:
        """The server is going away: end in order, soon. Returns at once."""


class StreamServer:
    """All sessions of one server, and what they share."""

    def __init__(self, engine: RecognizerFactory, options: ServerOptions) -> None:
        """Raises OSError if the trace file cannot be written."""
        self.metrics = ServerMetrics(engine.executor)
        self.options = options
        self.engine = engine
        self._tracer = None if options.trace is None else TraceWriter(options.trace)
        self._running: dict[Served, asyncio.Task[None]] = {}
        self.draining = False

    @property
    def connections(self) -> int:
        """Clients that hold a place, started or not."""
        return len(self._running)

    async def stream(self, websocket: WebSocket) -> None:
        """`/v1/stream`."""
        spoken = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
        refusal = self.refusal(
            websocket.headers, websocket.query_params, websocket.scope["subprotocols"]
        )
        await websocket.accept(subprotocol=spoken)
        session_id = secrets.token_hex(8)
        trace = LatencyTrace() if refusal else self.trace(session_id)
        socket = StarletteSocket(websocket)
        connection = Connection(socket, self.engine, self.options, self.metrics, session_id, trace)
        if refusal is not None:
            await connection.run(refusal)
            return
        await self.hold(connection)

    async def hold(self, client: Served) -> None:
        """Run a client that was not refused, in a place of its own."""
        task = asyncio.create_task(client.run())
        self._running[client] = task
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})
            del self._running[client]
        if not task.cancelled():  # else it outlived the grace period
            task.result()

    def trace(self, session_id: str) -> LatencyTrace:
        """For a new session; its spans go to the trace file, if there is one."""
        return LatencyTrace(None if self._tracer is None else self._tracer.session(session_id))

    async def drain(self) -> None:
        """Admit nobody any more, flush what runs; after the grace period, drop it."""
        self.draining = True
        for client in self._running:
            client.shut_down()
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=self.options.shutdown_grace_s)
        for task in late:
            task.cancel()
        if late:
            logger.warning("%d sessions did not end in time", len(late))
            await asyncio.wait(late)

    async def close(self) -> None:
        """Drain, free the models, end the trace file."""
        await self.drain()
        await asyncio.to_thread(self.engine.close)
        if self._tracer is not None:
            self._tracer.close()

    def refusal(
        self, headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str]
    ) -> ProtocolError | None:
        """Why whoever sent this request may not have a place; None if it may."""
        options = self.options
        if not origin_is_allowed(options.allow_origin, headers):
            origin = headers.get("origin", "")[:200]
            return ProtocolError(
                ErrorCode.UNAUTHORIZED,
                f"pages from {origin} may not connect; start the server with "
                "--allow-origin to let them",
            )
        if not token_is_right(options.token, headers, query, subprotocols):
            return ProtocolError(
                ErrorCode.UNAUTHORIZED,
                "token missing or wrong; send it as 'Authorization: Bearer …' or '?token=…'",
            )
        if self.draining:
            return shutting_down()
        if len(self._running) >= options.max_sessions:
            return ProtocolError(
                ErrorCode.TOO_MANY_SESSIONS,
                f"all {options.max_sessions} sessions are taken; try again later",
            )
        return None


class StarletteSocket:
    """An accepted Starlette websocket as a connection's `Socket`.

    Starlette raises RuntimeError (in newer versions a subclass) for calls after the end.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Raises SocketClosedError."""
        try:
            message = await self._websocket.receive()
        except RuntimeError as error:
            raise SocketClosedError("the client left") from error
        if message["type"] == "websocket.disconnect":
            raise SocketClosedError("the client left")
        text: str | None = message.get("text")
        if text is not None:
            return text
        data: bytes = message["bytes"]
        return data

    async def send(self, text: str) -> None:
        """Raises SocketClosedError."""
        try:
            await self._websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise SocketClosedError("the client left") from error

    async def close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code, reason)
