"""One client that speaks a foreign protocol: its messages to a session, the reports back to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from streamer.dialects.common.channel_sessions import ChannelSessions
from streamer.dialects.common.dialect import (
    Action,
    Audio,
    ChangeSession,
    Close,
    Dialect,
    Encoded,
    EndSession,
    Finalize,
    Send,
    StartSession,
)
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import CLOSE_CODES, ProtocolError, broken
from streamer.protocol.messages import ErrorCode
from streamer.recognition.contract import SessionChange
from streamer.runtime.faults import fault_line, retrieved
from streamer.runtime.metrics import ServerMetrics
from streamer.server.receiver import Receiver
from streamer.server.sender import Sender, Socket, SocketClosedError
from streamer.server.stream_server import StreamServer
from streamer.session.failure import SessionFailedError
from streamer.session.report import Report
from streamer.session.runner import SessionRunner

logger = logging.getLogger(__name__)

_FREE_BYTES: Final = 160
"""Smaller messages count against a limit: 10 ms of 8 kHz audio, or a command."""


_QUIET_S: Final = 3.0
"""These clients cannot resume: who sends no audio for so long has paused, or is gone."""


class Conversation:
    """One client, from its first message to the close. `run` once."""

    def __init__(
        self,
        socket: Socket,
        dialect: Dialect,
        runner: SessionRunner,
        options: ServerOptions,
        metrics: ServerMetrics,
    ) -> None:
        self._dialect = dialect
        self._runner = runner
        self._metrics = metrics
        self._sender = Sender(socket, options.send_timeout_s, metrics)
        self._receiver = Receiver(socket, self._sender, options, metrics)
        self._wanted: StartSession | None = None
        self._running: ChannelSessions | None = None
        self._over = False
        self._fault: Exception | None = None

    def interrupt(self, error: ProtocolError) -> None:
        """Send what is left, then the error, and close. Returns at once."""
        self._receiver.interrupt(error)

    @property
    def undecided(self) -> bool:
        """It has no session: no audio has come, or none since the last session ended."""
        return self._running is None

    async def run(self) -> None:
        """Serve the client until it hangs up, errs, leaves, or the server shuts down."""
        try:
            error = await self._converse()
            if error is None:
                await self._sender.close(1000, "")
            else:
                await self._close_with(error)
        except SocketClosedError:
            logger.info("a client left")
        except asyncio.CancelledError:  # the grace period of a shutdown is over
            await self._sender.close(CLOSE_CODES[ErrorCode.SHUTTING_DOWN], "shutdown")
            raise
        except Exception as fault:  # noqa: BLE001 - not even the error could be told
            self._why(fault)
            await self._sender.close(CLOSE_CODES[ErrorCode.INTERNAL], ErrorCode.INTERNAL.value)
        finally:
            if self._running is not None:
                await self._running.abort()

    async def _converse(self) -> ProtocolError | None:
        """Until the client has ended it; gives the error that ended it, if one did.

        Raises:
            SocketClosedError: the client left.
        """
        try:
            await self._perform(self._dialect.on_connect())
            while not self._over:
                await self._perform(self._dialect.on_message(await self._next_message()))
            await self._end()
        except SocketClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever broke, the client gets an answer
            return self._why(error)
        return None

    async def _close_with(self, error: ProtocolError) -> None:
        try:
            await self._end()
        except SocketClosedError:
            raise
        except Exception as another:  # noqa: BLE001 - as above
            error = self._why(another)
        self._metrics.errors.labels(error.code.value).inc()
        for text in self._dialect.on_error(error):
            await self._sender.send_text(text)
        await self._sender.close(self._dialect.close_code(error), error.code.value)
        logger.info("a conversation ended (%s)", error.code.value)

    def _why(self, error: Exception) -> ProtocolError:
        """What to tell the client. A fault of the program is logged, once, without its message,
        which may hold the client's words."""
        if isinstance(error, ProtocolError):
            return error
        if isinstance(error, SessionFailedError):
            return ProtocolError(ErrorCode.INTERNAL, str(error))
        if error is not self._fault:
            logger.error("a conversation broke: %s", fault_line(error))
        self._fault = error
        return broken()

    async def _next_message(self) -> str | bytes:
        """Raises SessionFailedError if the session breaks meanwhile, and as the receiver does."""
        message = await self._receive()
        if len(message) < _FREE_BYTES:
            self._receiver.count_message()
        return message

    async def _receive(self) -> str | bytes:
        running = self._running
        if running is None:
            return await self._receiver.receive()
        # Not reading is what slows the client down.
        await running.room()
        receiving = asyncio.create_task(self._receiver.receive())
        try:
            awaited = {receiving, *running.tasks}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            running.check()
            return await receiving
        finally:
            receiving.cancel()
            receiving.add_done_callback(retrieved)

    async def _perform(self, actions: Iterator[Action]) -> None:
        for action in actions:
            match action:
                case StartSession():
                    await self._end()
                    self._wanted = action
                case Audio():
                    self._metrics.dropped_bytes.inc(action.dropped_bytes)
                    running = await self._started()
                    if running is not None:
                        await running.feed(action.samples)
                        self._metrics.audio_seconds.inc(running.seconds(action.samples))
                case Encoded():
                    running = await self._started()
                    if running is not None:
                        await running.decode(action.data)
                case ChangeSession():
                    await self._change(action.change)
                case Finalize():
                    running = await self._started()
                    if running is not None:
                        await running.finalize()
                case Send():
                    await self._sender.send_text(action.text)
                case EndSession():
                    await self._end()
                case Close():
                    self._over = True

    async def _change(self, change: SessionChange) -> None:
        if self._running is not None:
            await self._running.change(change)
        elif self._wanted is not None:
            options = self._wanted.options.changed(change)
            self._wanted = replace(self._wanted, options=options)

    async def _started(self) -> ChannelSessions | None:
        """What the client has asked for; who only connects takes no place.

        Raises:
            ProtocolError: there is no place.
        """
        if self._running is None and self._wanted is not None:
            limits = replace(self._runner.limits, quiet_s=_QUIET_S)
            self._running = await ChannelSessions.open(
                self._wanted, self._runner, limits, self._take
            )
        return self._running

    async def _take(self, channel: int, report: Report) -> None:
        for text in self._dialect.on_event(report, channel):
            await self._sender.send_text(text)

    async def _end(self) -> None:
        """Returns when all has been sent. Raises SessionFailedError, SocketClosedError."""
        running, self._running = self._running, None
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        received_samples = 0
        if running is not None:
            try:
                await running.end()
            finally:
                await running.abort()
            received_samples = running.received_samples
        for text in self._dialect.on_end(received_samples):
            await self._sender.send_text(text)


async def converse(server: StreamServer, socket: Socket, dialect: Dialect) -> None:
    """Serve a client that was not turned away, in a place of its own."""
    await server.hold(Conversation(socket, dialect, server.runner, server.options, server.metrics))
