"""A session as the server keeps it: with everything that has to outlive its connections."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.hosting.event_log import EventLog, Numbered
from streamer.protocol.errors import ProtocolError
from streamer.protocol.frame_reader import FrameReader
from streamer.protocol.messages import ByeEvent, ErrorCode, LatencyEvent, StartMessage
from streamer.runtime.bounded_queue import BoundedQueue
from streamer.runtime.metrics import ServerMetrics
from streamer.session.intake import Intake
from streamer.session.session import Report, Session, SessionFailedError
from streamer.session.stats import SessionStats
from streamer.transcript.events import StepDone


class SlowFollowerError(Exception):
    """A follower left too many events unread."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for a client, and its number."""

    seq: int
    report: Report


class Attachment:
    """The hold that one connection has on a session."""

    def __init__(self) -> None:
        # The session makes its next step when the newest event is on its way to the socket.
        self.events: BoundedQueue[Delivery] = BoundedQueue(1)
        self.evicted = asyncio.Event()
        """Another connection has resumed the session; this one must let go."""
        self.released = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Running:
    """What there is only until the session ends."""

    session: Session
    tally: SessionStats
    frames: FrameReader
    intake: Intake


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last that a client hears of a session."""

    latency: LatencyEvent
    error: ProtocolError | None
    bye: ByeEvent


@dataclass(frozen=True, slots=True)
class Following:
    """The newest captions of a session at the moment somebody began to follow, and what comes."""

    first_word_id: int
    events: BoundedQueue[Delivery] = field(repr=False)


class ResumableSession:
    """Runs from its creation to its end, whether a client is connected or not.

    One connection at a time holds it, by `attach`; what happens without one waits in a replay.
    All methods belong on the event loop.
    """

    def __init__(
        self,
        session_id: str,
        follow_id: str,
        start: StartMessage,
        session: Session,
        metrics: ServerMetrics,
        on_end: Callable[[ResumableSession], None],
    ) -> None:
        self.id = session_id
        self.follow_id = follow_id
        self.start = start
        self.resume_token = secrets.token_urlsafe(32)
        self.farewell: Farewell | None = None
        """Set when the session has ended."""
        self.running: Running | None = Running(
            session,
            SessionStats(session, metrics),
            FrameReader(start.sample_rate, start.encoding),
            Intake(session, start.sample_rate),
        )
        self.abandoned = False
        """Nobody may come back to it."""
        self._finishing = False
        self._aborting = False
        self._error: ProtocolError | None = None
        self._reason: str | None = None
        self._attached: Attachment | None = None
        self._followers: dict[BoundedQueue[Delivery], int] = {}
        self._replay = EventLog()
        self._metrics = metrics
        self._on_end = on_end
        self._acknowledged_offset = 0
        self._task = asyncio.create_task(self._run(self.running))

    @property
    def acknowledged_offset(self) -> int:
        """Samples, at the client's rate, that the session has taken in."""
        if self.running is not None:
            self._acknowledged_offset = self.running.frames.end_offset
        return self._acknowledged_offset

    @property
    def attached(self) -> bool:
        return self._attached is not None

    async def attach(self, last_seq: int) -> Attachment:
        """Take hold of the session and get what happened after an event; whoever holds it is
        evicted first.

        Raises:
            EventsGoneError: it cannot be told what happened since; nobody was evicted.
        """
        self._replay.after(last_seq)
        while self._attached is not None:
            self._attached.evicted.set()
            await self._attached.released.wait()
        attachment = Attachment()
        self._put_all(attachment.events, self._replay.after(last_seq))
        if self.running is None:
            attachment.events.close()
        else:
            self.running.frames.begin_connection()
            self.running.session.expect_replay()
        self._attached = attachment
        return attachment

    def release(self, attachment: Attachment) -> None:
        """Let go. The session goes on with what it has."""
        attachment.events.close()
        attachment.released.set()
        if self._attached is attachment:
            self._attached = None

    def follow(self, n_segments: int, limit: int) -> Following:
        """Follow read-only, from the newest segments on; ends with the session.

        Args:
            limit: events that may lie unread; beyond, reading ends with `SlowFollowerError`.
        """
        events: BoundedQueue[Delivery] = BoundedQueue(limit)
        snapshot = self._replay.snapshot(n_segments)
        self._put_all(events, snapshot.events)
        self._followers[events] = limit + len(events)
        if self.running is None:
            events.close()
        return Following(snapshot.first_word_id, events)

    def unfollow(self, following: Following) -> None:
        following.events.close()
        self._followers.pop(following.events, None)

    def dismiss_followers(self) -> None:
        """Their id belongs to another session now."""
        for events in self._followers:
            events.close()
        self._followers.clear()

    def bye(self, reason: str) -> ByeEvent:
        """The final count, or the one so far with the reason why there will be no more."""
        if self.running is not None:
            return self.running.tally.bye(reason)
        assert self.farewell is not None
        return self.farewell.bye

    def finish(self, error: ProtocolError | None, reason: str | None = None) -> None:
        """No more audio: finals follow, then the end. Only the first call counts.

        Args:
            error: why, if not because the client asked for it.
            reason: for `bye`; without it that of the error, or `stop`.
        """
        if self.running is None or self._finishing:
            return
        self._finishing = True
        self._error, self._reason = error, reason
        self.running.intake.flush()
        self.running.session.stop()

    @property
    def finishing(self) -> bool:
        """It takes no more audio."""
        return self._finishing or self.running is None

    def abandon(self, reason: str) -> None:
        """Nobody will come back: end. Only if somebody follows, finals are still made."""
        self.abandoned = True
        if self._followers:
            self.finish(None, reason)
        elif not self._aborting:
            self._aborting = True
            self._reason = reason
            self._task.cancel()

    async def abort(self) -> None:
        """End now, without finals."""
        await asyncio.sleep(0)  # a task that has not begun cannot clean up
        self.dismiss_followers()
        self.abandon("shutdown")
        await asyncio.wait({self._task})

    async def ended(self) -> None:
        """Wait for the end."""
        await asyncio.wait({self._task})

    async def _run(self, running: Running) -> None:
        self._metrics.sessions.inc()
        self._metrics.sessions_active.inc()
        try:
            async with running.session as session:
                async for report in session:
                    running.tally.count(report)
                    if not isinstance(report.event, StepDone):
                        await self._deliver(report)
        except SessionFailedError as failure:
            self._error = ProtocolError(ErrorCode.INTERNAL, str(failure))
        finally:
            self._end(running)

    async def _deliver(self, report: Report) -> None:
        delivery = Delivery(self._replay.add(report.event), report)
        for events, limit in list(self._followers.items()):
            if len(events) >= limit:
                events.close(SlowFollowerError())
                del self._followers[events]
            else:
                events.put(delivery)
        if self._attached is not None:
            client = self._attached.events
            client.put(delivery)
            await client.room()

    def _end(self, running: Running) -> None:
        reason = self._reason or "stop"
        if self._error is not None:
            shutdown = self._error.code is ErrorCode.SHUTTING_DOWN
            reason = "shutdown" if shutdown else self._error.code.value
        offset = self.acknowledged_offset
        latency = running.tally.latency(offset)
        self.farewell = Farewell(latency, self._error, running.tally.bye(reason))
        self.running = None  # its buffers are large; the replay may be wanted for a while
        self._metrics.sessions_active.dec()
        for events in self._followers:
            events.close()
        if self._attached is not None:
            self._attached.events.close()
        self._on_end(self)

    def _put_all(self, events: BoundedQueue[Delivery], missed: tuple[Numbered, ...]) -> None:
        lag_ms = self.running.session.lag_ms if self.running is not None else 0.0
        for numbered in missed:
            report = Report(numbered.event, lag_ms, time.perf_counter_ns())
            events.put(Delivery(numbered.seq, report))
