"""The server's side of one websocket: an explicit state machine around a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from streamer.hosting.event_log import EventsGoneError
from streamer.hosting.options import ServerOptions
from streamer.hosting.resumable_session import (
    Attachment,
    Farewell,
    ResumableSession,
    Running,
)
from streamer.hosting.session_registry import SessionRegistry
from streamer.hosting.session_state import SessionState
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.errors import (
    CLOSE_CODES,
    SERVICE_RESTART,
    ProtocolError,
    broken,
    session_expired,
    shutting_down,
)
from streamer.protocol.messages import (
    ErrorCode,
    ResumeMessage,
    StartMessage,
)
from streamer.protocol.moves import MoveEvent
from streamer.protocol.parsing import parse_text
from streamer.runtime.faults import fault_line
from streamer.runtime.metrics import ServerMetrics
from streamer.server.connection_state import ConnectionState, checked
from streamer.server.native_view import ready_event, wire_event
from streamer.server.receiver import Receiver
from streamer.server.sender import Sender, Socket, SocketClosedError

logger = logging.getLogger(__name__)

_LAST_WORD_S: Final = 0.1
"""Only the receiving side learns whether a client closed or was cut, just after sending failed."""

HandOver = Callable[[StoredSession, bool], Awaitable[str | None]]
"""Gives a session to another server, and its id there, a new one if so asked; None if no other
takes it."""


class _SilentError(Exception):
    """Nothing has come for long from a client that has a session."""

    def __init__(self, error: ProtocolError) -> None:
        super().__init__(error.message)
        self.error = error


class _MovingError(Exception):
    """The session is to go on on another server."""


class Connection:
    """One client, from its first message to the close frame. `run` once."""

    def __init__(
        self,
        socket: Socket,
        registry: SessionRegistry,
        options: ServerOptions,
        metrics: ServerMetrics,
        client: str = "",
        *,
        may_start: bool = True,
    ) -> None:
        """
        Args:
            client: its address.
            may_start: it may begin a session; else it may but resume one.
        """
        self.state = ConnectionState.OPEN
        self._registry = registry
        self._client = client
        self._may_start = may_start
        self._options = options
        self._metrics = metrics
        self._sender = Sender(socket, options.send_timeout_s, metrics)
        self._receiver = Receiver(socket, self._sender, options, metrics)
        self._hosted: ResumableSession | None = None
        self._hand_over: HandOver | None = None

    async def run(self, refusal: ProtocolError | None = None) -> None:
        """Serve the client until it stops, errs, leaves, or the server shuts down.

        With a `refusal` the client is told that, and closed.
        """
        try:
            try:
                if refusal is not None:
                    raise refusal
                hosted, attachment, resumed = await self._open()
            except ProtocolError as error:
                self._metrics.rejected.labels(error.code.value).inc()
                await self._close(error)
                return
            await self._hold(hosted, attachment, resumed)
        except SocketClosedError:
            logger.info("a client left")
        except asyncio.CancelledError:  # the grace period of a shutdown is over
            await self._sender.close(CLOSE_CODES[ErrorCode.SHUTTING_DOWN], "shutdown")
            raise
        except Exception as error:  # noqa: BLE001 - whatever broke, the client gets an answer
            logger.error("a connection broke: %s", fault_line(error))
            with suppress(SocketClosedError):
                await self._close(broken())
        finally:
            self._move(ConnectionState.CLOSED)

    def interrupt(self, error: ProtocolError) -> None:
        """Flush, tell the error, say bye, close with its code. Returns at once."""
        self._receiver.interrupt(error)

    def move_away(self, hand_over: HandOver) -> None:
        """Let another server go on with the session, and send the client there. Returns at once."""
        self._hand_over = hand_over
        self._receiver.interrupt(shutting_down())

    @property
    def movable(self) -> bool:
        return self._hosted is not None and self._hosted.movable

    @property
    def in_speech(self) -> bool:
        journal = None if self._hosted is None else self._hosted.journal
        return journal is not None and journal.in_speech

    @property
    def undecided(self) -> bool:
        """It has said nothing yet."""
        return self.state is ConnectionState.OPEN

    async def _close(self, error: ProtocolError) -> None:
        await self._sender.send_error(error)
        await self._sender.close(error.close_code, error.code.value)

    async def _open(self) -> tuple[ResumableSession, Attachment, bool]:
        """Raises ProtocolError, SocketClosedError."""
        message = await self._first_message()
        if isinstance(message, StartMessage):
            if not self._may_start:
                raise ProtocolError(
                    ErrorCode.UNAUTHORIZED, "sessions are only resumed here; begin elsewhere"
                )
            hosted = self._registry.open(message, self._client)
            return hosted, await hosted.attach(0), False
        hosted = await self._registry.find(message, self._client)
        try:
            attachment = await hosted.attach(message.last_seq)
        except EventsGoneError as error:
            raise session_expired() from error
        self._registry.resumed(hosted)
        return hosted, attachment, True

    async def _first_message(self) -> StartMessage | ResumeMessage:
        message = await self._receiver.receive()
        if isinstance(message, bytes):
            raise ProtocolError(
                ErrorCode.NOT_STARTED, "audio came before the settings; send a start message first"
            )
        parsed = parse_text(message)
        if not isinstance(parsed, StartMessage | ResumeMessage):
            raise ProtocolError(
                ErrorCode.NOT_STARTED,
                f"{parsed.type} came before the settings; send a start message first",
            )
        return parsed

    async def _hold(self, hosted: ResumableSession, attachment: Attachment, resumed: bool) -> None:
        """Serve the session until it ends, or until another connection takes it over.

        Raises:
            SocketClosedError: the client left; the session is parked, or ended.
        """
        self._move(ConnectionState.STREAMING)
        self._hosted = hosted
        talking = asyncio.create_task(self._talk(hosted, attachment, resumed))
        evicted = asyncio.create_task(attachment.evicted.wait())
        try:
            await asyncio.wait({talking, evicted}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            hosted.abandon("shutdown")
            raise
        finally:
            # Whoever takes over waits for this, and must not wait for a dead socket.
            for task in (talking, evicted):
                task.cancel()
            await asyncio.wait({talking, evicted})
            hosted.release(attachment)
        if talking.cancelled():
            logger.info("session %s: taken over", hosted.id)
            await self._close(
                ProtocolError(
                    ErrorCode.TAKEN_OVER, "the session goes on over another connection; close this"
                )
            )
            return
        try:
            talking.result()
        except _MovingError:
            await self._send_on(hosted)
        except _SilentError as silent:
            # A laptop that sleeps says no word of it; when it wakes it goes on.
            self._registry.left(hosted, for_good=False)
            await self._close(silent.error)
        except SocketClosedError as closed:
            if not attachment.evicted.is_set():
                self._registry.left(hosted, for_good=closed.for_good)
            raise
        except Exception:
            hosted.abandon("internal")
            raise

    async def _send_on(self, hosted: ResumableSession) -> None:
        """Raises SocketClosedError."""
        assert self._hand_over is not None
        stored = await self._registry.hand_over(hosted)
        session_id = None if stored is None else await self._hand_over(stored, True)
        if session_id is None:  # a new session is what the client has then
            await self._sender.send_error(shutting_down())
        else:
            await self._sender.send(MoveEvent(session_id=session_id))
        await self._sender.close(SERVICE_RESTART, "move")
        logger.info("session %s: moved to %s", hosted.id, session_id)

    async def _talk(self, hosted: ResumableSession, attachment: Attachment, resumed: bool) -> None:
        running = hosted.running
        writer = asyncio.create_task(self._write(hosted, attachment, resumed))
        tasks = [writer]
        try:
            if running is not None:
                error = await self._stream(hosted, running, writer, tasks)
                if error is not None and error.code is ErrorCode.IDLE_TIMEOUT:
                    raise _SilentError(error)
                if error is not None and self._hand_over is not None and hosted.movable:
                    raise _MovingError
                hosted.finish(error)
            self._move(ConnectionState.FLUSHING)
            await writer
            assert hosted.farewell is not None
            await self._say_goodbye(hosted.farewell)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        logger.info("session %s: ended (%s)", hosted.id, hosted.farewell.bye.reason)

    async def _stream(
        self,
        hosted: ResumableSession,
        running: Running,
        writer: asyncio.Task[None],
        tasks: list[asyncio.Task[None]],
    ) -> ProtocolError | None:
        """Until there is no more audio; gives the error that is the reason, if it is one.

        Raises:
            SocketClosedError: the client left.
        """
        heartbeat = asyncio.create_task(self._beat(hosted, running))
        tasks.append(heartbeat)
        if hosted.state is not SessionState.LIVE:
            return None
        reader = asyncio.create_task(self._receiver.read(running.run, running.frames))
        tasks.append(reader)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if any(_is_unheard(task) for task in (writer, heartbeat)):
            await asyncio.wait({reader}, timeout=_LAST_WORD_S)
            await _outcome(reader)
            raise SocketClosedError("the client left")
        return await _outcome(reader)

    async def _write(self, hosted: ResumableSession, attachment: Attachment, resumed: bool) -> None:
        ready = ready_event(hosted, self._registry, self._options, resumed=resumed)
        await self._sender.send(ready)
        async for report in attachment.events:
            event = wire_event(report)
            if event is not None:
                await self._sender.send(event)
            if hosted.running is not None:
                hosted.running.run.stats.emitted(report)

    async def _beat(self, hosted: ResumableSession, running: Running) -> None:
        session = running.run.session
        told = (0, 0, 0)
        while True:
            await asyncio.sleep(self._options.heartbeat_s)
            acknowledged = hosted.acknowledged_offset
            now = (session.received_samples, session.processed_samples, acknowledged)
            # While audio is not acknowledged, clients take a silent server for a dead one.
            owed = acknowledged < hosted.received_offset
            if (owed or now != told) and hosted.running is not None:
                told = now
                await self._sender.send(running.run.stats.latency(acknowledged))

    async def _say_goodbye(self, farewell: Farewell) -> None:
        await self._sender.send(farewell.latency)
        error = farewell.error
        if error is not None:
            await self._sender.send_error(error)
        await self._sender.send(farewell.bye)
        code = 1000 if error is None else error.close_code
        await self._sender.close(code, farewell.bye.reason)

    def _move(self, state: ConnectionState) -> None:
        self.state = checked(self.state, state)


def _is_unheard(sending: asyncio.Task[None]) -> bool:
    """Whether a task that sends could not."""
    return sending.done() and isinstance(sending.exception(), SocketClosedError)


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
    logger.error("reading failed: %s", fault_line(error))
    return broken()
