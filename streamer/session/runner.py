"""One way to run a session, for live clients of every protocol and for recordings."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence

from streamer.models.errors import NoRoomError
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.recognition.channels.recognizer import ChannelsRecognizer
from streamer.recognition.contract import (
    BEGINNING,
    RecognizerFactory,
    SessionOptions,
    SpeechRecognizer,
    StartPoint,
)
from streamer.recognition.languages import UnknownLanguageError
from streamer.runtime.faults import fault_line, retrieved
from streamer.runtime.metrics import ServerMetrics
from streamer.runtime.tracing import LatencyTrace, SpanSink, TraceWriter
from streamer.session.container_intake import ContainerIntake, check_containers
from streamer.session.intake import Intake
from streamer.session.limits import SessionLimits
from streamer.session.places import Place, Places
from streamer.session.report import Report
from streamer.session.session import Session
from streamer.session.stats import SessionStats

logger = logging.getLogger(__name__)

Take = Callable[[Report], Awaitable[None]]
"""What becomes of a report; the next one waits until it returns."""


class SessionRun:
    """One session: audio goes into `intake`, or as a container into `container`, reports come out
    counted.

    Whoever opened it calls `start` once, and `abort` on every way out.
    """

    def __init__(
        self,
        session_id: str,
        session: Session,
        rate: int,
        metrics: ServerMetrics,
        place: Place,
        starts: Sequence[StartPoint],
        *,
        container: bool = False,
    ) -> None:
        self.id = session_id
        self.session = session
        self.stats = SessionStats(session, metrics, starts[0])
        self.intake = Intake(session, rate, len(starts))
        self.container: ContainerIntake | None = None
        """Of a session whose audio comes so."""
        if container:
            self.container = ContainerIntake(session, self.intake, metrics, self._stop, len(starts))
        self._metrics = metrics
        self._place = place
        self._task: asyncio.Task[None] | None = None

    def start(self, take: Take) -> asyncio.Task[None]:
        """Begin. The task ends when all that came of the audio has been taken.

        The task raises:
            SessionFailedError: the recognizer broke.
            ProtocolError: the container could not be decoded to its end.
            And what `take` raises, which ends the session.
        """
        self.session.start()
        self._metrics.sessions.inc()
        self._metrics.sessions_active.inc()
        self._task = asyncio.create_task(self._run(take))
        self._task.add_done_callback(self._done)
        self._task.add_done_callback(retrieved)
        return self._task

    def stop(self) -> None:
        """No more audio: what is left is still taken, finals included."""
        if self.container is None:
            self._stop()
        else:
            self.container.end()

    def _stop(self) -> None:
        self.intake.flush()
        self.session.stop()

    async def finalize(self) -> None:
        """Make all audio so far final; the session goes on."""
        if self.container is not None:
            await self.container.used_up()
        self.intake.flush()
        await self.session.finalize()

    def cancel(self) -> None:
        """End now, without finals. Returns at once."""
        self.session.cancel()
        if self.container is not None:
            self.container.cancel()
        if self._task is not None:
            self._task.cancel()

    async def abort(self) -> None:
        """`cancel`, and wait for the end."""
        self.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})
        if self.container is not None:
            await self.container.ended()
        await self.session.abort()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._metrics.sessions_active.dec()
        self._place.release()

    async def _run(self, take: Take) -> None:
        try:
            async for report in self.session:
                self.stats.count(report)
                await take(report)
        finally:
            await self.session.abort()  # nobody must wait for room in it any more
            if self.container is not None:
                self.container.cancel()
        if self.container is not None and self.container.error is not None:
            raise self.container.error


class SessionRunner:
    """Opens sessions on the engine."""

    def __init__(
        self,
        engine: RecognizerFactory,
        places: Places,
        limits: SessionLimits,
        metrics: ServerMetrics,
        tracer: TraceWriter | None = None,
    ) -> None:
        """
        Args:
            limits: of a session with live audio.
            tracer: gets the spans of all sessions.
        """
        self._engine = engine
        self.places = places
        self.limits = limits
        self._metrics = metrics
        self._tracer = tracer

    def open(
        self,
        options: SessionOptions,
        rate: int,
        *,
        limits: SessionLimits | None = None,
        place: Place | None = None,
        session_id: str | None = None,
        starts: Sequence[StartPoint] = (BEGINNING,),
        container: bool = False,
    ) -> SessionRun:
        """A session that has not begun.

        Args:
            rate: of the audio that its intake will get; 16 kHz where that comes of a container.
            limits: in place of the runner's own.
            place: reserved before; it is given back when the session ends.
            session_id: of a session that goes on; None gives a new one.
            starts: where it goes on, in each channel: it has as many as these, and takes a place
                for each.
            container: its audio comes in one.

        Raises:
            ProtocolError: there is no place, or none on the graphics card, containers cannot be
                decoded here, the language is not to be had, or the engine could not make a
                recognizer; why is in the log.
        """
        if container:
            check_containers()
        if place is None:
            place = self.places.reserve(len(starts))
        session_id = session_id or secrets.token_hex(8)
        spans = None if self._tracer is None else self._tracer.session(session_id)
        trace = LatencyTrace(spans)
        limits = limits or self.limits
        try:
            recognizer = self._recognizer(options, trace, starts, session_id)
        except ProtocolError:
            place.release()
            raise
        session = Session(recognizer, self._engine.executor, limits, trace)
        if not limits.recording:
            place.live = session
        return SessionRun(
            session_id, session, rate, self._metrics, place, starts, container=container
        )

    def _recognizer(
        self,
        options: SessionOptions,
        trace: SpanSink,
        starts: Sequence[StartPoint],
        session_id: str,
    ) -> SpeechRecognizer:
        try:
            made = [self._engine.recognizer(options, trace, start) for start in starts]
            if len(made) == 1:
                return made[0]
            return ChannelsRecognizer(
                made,
                starts,
                keep_echo=options.keep_echo,
                known_voices=len(options.known_voices),
            )
        except UnknownLanguageError as error:
            raise ProtocolError(ErrorCode.BAD_CONFIG, f"language: {error}") from error
        except NoRoomError as error:
            raise ProtocolError(ErrorCode.TOO_MANY_SESSIONS, f"{error}; try again later") from error
        except Exception as error:  # whatever broke, the client gets an answer
            logger.error("session %s: no recognizer: %s", session_id, fault_line(error))
            raise ProtocolError(
                ErrorCode.INTERNAL, "the session could not be set up; try again later"
            ) from error
