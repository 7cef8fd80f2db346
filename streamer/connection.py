"""The server's side of one websocket: an explicit state machine around a session."""

from __future__ import annotations

import asyncio
import logging
import time
from enum import Enum
from typing import Final

from streamer.inbound import ProtocolError, parse_text
from streamer.latency import LatencyTrace
from streamer.metrics import ServerMetrics
from streamer.native_view import wire_event
from streamer.protocol import (
    CLOSE_CODES,
    ErrorCode,
    ReadyEvent,
    StartMessage,
)
from streamer.receiver import Receiver
from streamer.recognizer_api import (
    RecognizerFactory,
    SessionOptions,
    SpeechRecognizer,
)
from streamer.sender import Sender, Socket, SocketClosedError
from streamer.server_options import ServerOptions
from streamer.session import Session, SessionFailedError, SessionLimits
from streamer.tally import Tally

logger = logging.getLogger(__name__)


class ConnectionState(Enum):
    OPEN = "open"  # waiting for `start`
    STREAMING = "streaming"  # audio flows
    FLUSHING = "flushing"  # no more audio; finals on their way
    CLOSED = "closed"


_TRANSITIONS: Final = {
    ConnectionState.OPEN: {ConnectionState.STREAMING, ConnectionState.CLOSED},
    ConnectionState.STREAMING: {ConnectionState.FLUSHING, ConnectionState.CLOSED},
    ConnectionState.FLUSHING: {ConnectionState.CLOSED},
    ConnectionState.CLOSED: set[ConnectionState](),
}


class IllegalTransitionError(RuntimeError):
    """A bug in this module."""


class Connection:
    """One client, from its first message to the close frame. `run` once."""

    def __init__(
        self,
        socket: Socket,
        factory: RecognizerFactory,
        options: ServerOptions,
        metrics: ServerMetrics,
        session_id: str,
        trace: LatencyTrace,
    ) -> None:
        self.session_id = session_id
        self.state = ConnectionState.OPEN
        self._factory = factory
        self._options = options
        self._metrics = metrics
        self._trace = trace
        self._sender = Sender(socket, options.send_timeout_s, metrics)
        self._receiver = Receiver(socket, self._sender, options, metrics)

    async def run(self, refusal: ProtocolError | None = None) -> None:
        """Serve the client until it stops, errs, leaves, or the server shuts down.

        With a `refusal` the client is told that, and closed.
        """
        try:
            try:
                if refusal is not None:
                    raise refusal
                start = await self._await_start()
                recognizer = self._recognizer(start)
            except ProtocolError as error:
                await self._refuse(error)
                return
            limits = SessionLimits(
                outbox_events=self._options.outbox_events,
                max_backlog_s=self._options.max_backlog_s,
                recording=not start.live,
            )
            executor = self._factory.executor
            async with Session(recognizer, executor, limits, self._trace) as session:
                await self._converse(session, start)
        except SocketClosedError:
            logger.info("session %s: client left", self.session_id)
        except asyncio.CancelledError:  # the grace period of a shutdown is over
            await self._sender.close(CLOSE_CODES[ErrorCode.SHUTTING_DOWN], "shutdown")
            raise
        finally:
            self._move(ConnectionState.CLOSED)

    def shut_down(self) -> None:
        """The server is going away: flush, say bye, close with 1001. Returns at once."""
        self._receiver.shut_down()

    async def _refuse(self, error: ProtocolError) -> None:
        self._metrics.rejected.labels(error.code.value).inc()
        await self._sender.send_error(error)
        await self._sender.close(CLOSE_CODES[error.code], error.code.value)

    async def _await_start(self) -> StartMessage:
        message = await self._receiver.receive()
        if isinstance(message, bytes):
            raise ProtocolError(
                ErrorCode.NOT_STARTED, "audio came before the settings; send a start message first"
            )
        parsed = parse_text(message)
        if not isinstance(parsed, StartMessage):
            raise ProtocolError(
                ErrorCode.NOT_STARTED,
                f"{parsed.type} came before the settings; send a start message first",
            )
        return parsed

    def _recognizer(self, start: StartMessage) -> SpeechRecognizer:
        """Raises ProtocolError."""
        if start.decoder == "fused" and self._factory.default_decoder == "draft":
            raise ProtocolError(
                ErrorCode.BAD_CONFIG,
                "decoder: this server runs without an LLM; ask for 'draft' or leave it out",
            )
        options = SessionOptions(
            decoder=start.decoder or self._factory.default_decoder,
            context=start.context,
            hot_words=start.hot_words,
            emotion=start.emotion,
            silence_ms=start.silence_ms,
        )
        try:
            return self._factory.recognizer(options, self._trace)
        except Exception as error:
            logger.exception("session %s: no recognizer", self.session_id)
            raise ProtocolError(
                ErrorCode.INTERNAL, "the session could not be set up; try again later"
            ) from error

    async def _converse(self, session: Session, start: StartMessage) -> None:
        self._move(ConnectionState.STREAMING)
        await self._sender.send(
            ReadyEvent(
                session_id=self.session_id,
                decoder=start.decoder or self._factory.default_decoder,
                models=self._factory.models,
                max_message_bytes=self._options.max_message_bytes,
                buffer_ms=self._options.buffer_s * 1000,
            )
        )
        tally = Tally(session, self._metrics)
        reader = asyncio.create_task(self._receiver.read(session, start))
        writer = asyncio.create_task(self._write(session, tally))
        heartbeat = asyncio.create_task(self._beat(session, tally))
        tasks = (reader, writer, heartbeat)
        self._metrics.sessions.inc()
        self._metrics.sessions_active.inc()
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            _raise_if_unheard(writer, heartbeat)
            error = await _outcome(reader)
            self._move(ConnectionState.FLUSHING)
            session.stop()
            try:
                await writer
            except SessionFailedError as failure:
                error = ProtocolError(ErrorCode.INTERNAL, str(failure))
            heartbeat.cancel()
            await self._say_goodbye(tally, error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._metrics.sessions_active.dec()

    async def _write(self, session: Session, tally: Tally) -> None:
        async for report in session:
            tally.count(report)
            event = wire_event(report)
            if event is not None:
                await self._sender.send(event)
            tally.emitted(report, time.perf_counter_ns())

    async def _beat(self, session: Session, tally: Tally) -> None:
        received = 0
        while True:
            await asyncio.sleep(self._options.heartbeat_s)
            if session.received_samples != received:
                received = session.received_samples
                await self._sender.send(tally.latency())

    async def _say_goodbye(self, tally: Tally, error: ProtocolError | None) -> None:
        await self._sender.send(tally.latency())
        reason = "stop"
        if error is not None:
            await self._sender.send_error(error)
            reason = "shutdown" if error.code is ErrorCode.SHUTTING_DOWN else error.code.value
        await self._sender.send(tally.bye(reason))
        await self._sender.close(1000 if error is None else CLOSE_CODES[error.code], reason)
        logger.info("session %s: ended (%s)", self.session_id, reason)

    def _move(self, state: ConnectionState) -> None:
        if state not in _TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"{self.state.value} → {state.value}")
        self.state = state


def _raise_if_unheard(*senders: asyncio.Task[None]) -> None:
    """Raises SocketClosedError if one of the tasks that send could not."""
    for task in senders:
        if task.done() and isinstance(error := task.exception(), SocketClosedError):
            raise error


async def _outcome(reader: asyncio.Task[None]) -> ProtocolError | None:
    """Why reading ended: None for `stop`, or if it goes on and something else ended.

    Raises:
        SocketClosedError: the client left.
    """
    reader.cancel()
    await asyncio.wait({reader})
    error = None if reader.cancelled() else reader.exception()
    if error is None or isinstance(error, ProtocolError):
        return error
    if isinstance(error, SocketClosedError):
        raise error
    logger.error("reading failed", exc_info=error)
    return ProtocolError(
        ErrorCode.INTERNAL, "the server failed to read a message; start a new session"
    )
