"""The websocket endpoint: admission, the connections that run, and their orderly end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress

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


class StreamServer:
    """All sessions of one server, and what they share."""

    def __init__(self, engine: RecognizerFactory, options: ServerOptions) -> None:
        """Raises OSError if the trace file cannot be written."""
        self.metrics = ServerMetrics(engine.executor)
        self.options = options
        self.engine = engine
        self._tracer = None if options.trace is None else TraceWriter(options.trace)
        self._running: dict[Connection, asyncio.Task[None]] = {}
        self.draining = False

    @property
    def connections(self) -> int:
        """Clients that hold a place, started or not."""
        return len(self._running)

    async def stream(self, websocket: WebSocket) -> None:
        """`/v1/stream`."""
        spoken = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
        refusal = self._refusal(websocket)
        await websocket.accept(subprotocol=spoken)
        session_id = secrets.token_hex(8)
        spans = None if self._tracer is None or refusal else self._tracer.session(session_id)
        socket = StarletteSocket(websocket)
        connection = Connection(
            socket, self.engine, self.options, self.metrics, session_id, LatencyTrace(spans)
        )
        if refusal is not None:
            await connection.run(refusal)
            return
        task = asyncio.create_task(connection.run())
        self._running[connection] = task
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})
            del self._running[connection]
        if not task.cancelled():  # else it outlived the grace period
            task.result()

    async def drain(self) -> None:
        """Admit nobody any more, flush what runs; after the grace period, drop it."""
        self.draining = True
        for connection in self._running:
            connection.shut_down()
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

    def _refusal(self, websocket: WebSocket) -> ProtocolError | None:
        options = self.options
        if not origin_is_allowed(options.allow_origin, websocket.headers):
            origin = websocket.headers.get("origin", "")[:200]
            return ProtocolError(
                ErrorCode.UNAUTHORIZED,
                f"pages from {origin} may not connect; start the server with "
                "--allow-origin to let them",
            )
        subprotocols = websocket.scope["subprotocols"]
        query = websocket.query_params
        if not token_is_right(options.token, websocket.headers, query, subprotocols):
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
