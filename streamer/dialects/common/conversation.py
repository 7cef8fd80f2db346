"""One client that speaks a foreign protocol: its messages to a session, the reports back to it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Final

from streamer.audio.arrays import Floats
from streamer.dialects.common.dialect import Action, Audio, Begin, Dialect, End, Flush, HangUp, Say
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError
from streamer.protocol.frames import AudioFrame
from streamer.protocol.messages import CLOSE_CODES, ErrorCode
from streamer.recognition.contract import RecognizerFactory
from streamer.runtime.metrics import ServerMetrics
from streamer.runtime.tracing import LatencyTrace
from streamer.server.receiver import Receiver
from streamer.server.sender import Sender, Socket, SocketClosedError
from streamer.server.stream_server import StreamServer
from streamer.session.intake import Intake
from streamer.session.opening import open_recognizer
from streamer.session.session import Session, SessionFailedError, SessionLimits
from streamer.session.stats import SessionStats

logger = logging.getLogger(__name__)

_FREE_BYTES: Final = 160
"""Smaller messages count against a limit: 10 ms of 8 kHz audio, or a command."""


class Conversation:
    """One client, from its first message to the close. `run` once."""

    def __init__(
        self,
        socket: Socket,
        dialect: Dialect,
        factory: RecognizerFactory,
        options: ServerOptions,
        metrics: ServerMetrics,
        session_id: str,
        trace: LatencyTrace,
    ) -> None:
        self._dialect = dialect
        self._factory = factory
        self._options = options
        self._metrics = metrics
        self._session_id = session_id
        self._trace = trace
        self._sender = Sender(socket, options.send_timeout_s, metrics)
        self._receiver = Receiver(socket, self._sender, options, metrics)
        self._speech: _Speech | None = None
        self._over = False

    def shut_down(self) -> None:
        """The server is going away: say what is left, then close. Returns at once."""
        self._receiver.shut_down()

    @property
    def overdue_ms(self) -> float | None:
        return None if self._speech is None else self._speech.session.overdue_ms

    async def run(self) -> None:
        """Serve the client until it hangs up, errs, leaves, or the server shuts down."""
        try:
            try:
                await self._obey(self._dialect.on_connect())
                while not self._over:
                    await self._obey(self._dialect.on_message(await self._next_message()))
                await self._end()
                await self._sender.close(1000, "")
            except ProtocolError as error:
                await self._part(error)
            except SessionFailedError as failure:
                await self._part(_internal(failure))
        except SocketClosedError:
            logger.info("session %s: client left", self._session_id)
        except asyncio.CancelledError:  # the grace period of a shutdown is over
            await self._sender.close(CLOSE_CODES[ErrorCode.SHUTTING_DOWN], "shutdown")
            raise
        finally:
            if self._speech is not None:
                await self._speech.abort()

    async def _part(self, error: ProtocolError) -> None:
        try:
            await self._end()
        except SessionFailedError as failure:
            error = _internal(failure)
        self._metrics.errors.labels(error.code.value).inc()
        for text in self._dialect.on_error(error):
            await self._sender.send_text(text)
        await self._sender.close(self._dialect.close_code(error), error.code.value)
        logger.info("session %s: ended (%s)", self._session_id, error.code.value)

    async def _next_message(self) -> str | bytes:
        """Raises SessionFailedError if the session breaks meanwhile, and as the receiver does."""
        message = await self._receive()
        if len(message) < _FREE_BYTES:
            self._receiver.count_message()
        return message

    async def _receive(self) -> str | bytes:
        speech = self._speech
        if speech is None:
            return await self._receiver.receive()
        # Not reading is what slows the client down.
        await speech.session.room()
        receiving = asyncio.create_task(self._receiver.receive())
        try:
            await asyncio.wait({receiving, speech.telling}, return_when=asyncio.FIRST_COMPLETED)
            if speech.telling.done():
                await speech.telling
            return await receiving
        finally:
            receiving.cancel()

    async def _obey(self, actions: Iterator[Action]) -> None:
        for action in actions:
            match action:
                case Begin():
                    await self._begin(action)
                case Audio():
                    if self._speech is not None:
                        seconds = await self._speech.feed(action.samples)
                        self._metrics.audio_seconds.inc(seconds)
                case Flush():
                    if self._speech is not None:
                        await self._speech.flush()
                case Say():
                    await self._sender.send_text(action.text)
                case End():
                    await self._end()
                case HangUp():
                    self._over = True

    async def _begin(self, begin: Begin) -> None:
        await self._end()
        recognizer = open_recognizer(self._factory, begin.options, self._trace, self._session_id)
        limits = SessionLimits(
            outbox_events=self._options.outbox_events, max_backlog_s=self._options.max_backlog_s
        )
        session = Session(recognizer, self._factory.executor, limits, self._trace)
        await session.__aenter__()
        telling = asyncio.create_task(self._tell(session))
        self._speech = _Speech(session, begin.rate, telling)
        self._metrics.sessions.inc()
        self._metrics.sessions_active.inc()
        telling.add_done_callback(lambda _: self._metrics.sessions_active.dec())

    async def _end(self) -> None:
        """Raises SessionFailedError."""
        speech, self._speech = self._speech, None
        if speech is not None:
            await speech.end()

    async def _tell(self, session: Session) -> None:
        tally = SessionStats(session, self._metrics)
        try:
            async for report in session:
                tally.count(report)
                for text in self._dialect.on_event(report):
                    await self._sender.send_text(text)
                tally.emitted(report, time.perf_counter_ns())
            for text in self._dialect.on_end(session.received_samples):
                await self._sender.send_text(text)
        except Exception:
            await session.abort()  # nobody must wait for room in it any more
            raise


async def converse(server: StreamServer, socket: Socket, dialect: Dialect) -> None:
    """Serve a client that was not turned away, in a place of its own."""
    session_id = secrets.token_hex(8)
    await server.hold(
        Conversation(
            socket,
            dialect,
            server.engine,
            server.options,
            server.metrics,
            session_id,
            server.trace(session_id),
        )
    )


def _internal(failure: SessionFailedError) -> ProtocolError:
    return ProtocolError(ErrorCode.INTERNAL, str(failure))


class _Speech:
    """A session, the road of audio into it, and the task that tells what it says."""

    def __init__(self, session: Session, rate: int, telling: asyncio.Task[None]) -> None:
        self.session = session
        self.telling = telling
        self._rate = rate
        self._intake = Intake(session, rate)
        self._offset = 0

    async def feed(self, samples: Floats) -> float:
        """Feed samples, a second at a time; gives their duration in seconds."""
        for at in range(0, len(samples), self._rate):
            piece = samples[at : at + self._rate]
            await self.session.room()
            self._intake.audio(AudioFrame(0, self._offset, 0.0, piece))
            self._offset += len(piece)
        return len(samples) / self._rate

    async def flush(self) -> None:
        self._intake.flush()
        await self.session.finalize()

    async def end(self) -> None:
        """Returns when all has been told. Raises SessionFailedError, SocketClosedError."""
        self._intake.flush()
        self.session.stop()
        try:
            await self.telling
        finally:
            await self.abort()

    async def abort(self) -> None:
        self.telling.cancel()
        await asyncio.wait({self.telling})
        await self.session.abort()
