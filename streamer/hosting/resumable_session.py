"""A session as the server keeps it: with everything that has to outlive its connections."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from streamer.audio.clock import SAMPLE_RATE
from streamer.hosting.event_log import EventLog
from streamer.hosting.journal import Journal
from streamer.hosting.session_state import SessionState, checked
from streamer.protocol.errors import ProtocolError
from streamer.protocol.frame_reader import FrameReader
from streamer.protocol.messages import ByeEvent, Encoding, ErrorCode, LatencyEvent, StartMessage
from streamer.runtime.bounded_queue import BoundedQueue
from streamer.runtime.faults import fault_line
from streamer.session.failure import SessionFailedError
from streamer.session.report import Report
from streamer.session.runner import SessionRun
from streamer.transcript.events import AudioPaused, StepDone

logger = logging.getLogger(__name__)


class SlowFollowerError(Exception):
    """A follower left too many events unread."""


class Attachment:
    """The hold that one connection has on a session."""

    def __init__(self) -> None:
        # The session makes its next step when the newest event is on its way to the socket.
        self.events: BoundedQueue[Report] = BoundedQueue(1)
        self.evicted = asyncio.Event()
        """Another connection has resumed the session; this one must let go."""
        self.released = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Running:
    """What there is only until the session ends."""

    run: SessionRun
    frames: FrameReader


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
    events: BoundedQueue[Report] = field(repr=False)


class ResumableSession:
    """Runs from its creation to its end, whether a client is connected or not.

    One connection at a time holds it, by `attach`; what happens without one waits in a log.
    """

    def __init__(
        self,
        follow_id: str,
        start: StartMessage,
        run: SessionRun,
        on_end: Callable[[ResumableSession], None],
        client: str = "",
        *,
        resume_token: str | None = None,
        log: EventLog | None = None,
        journal: Journal | None = None,
    ) -> None:
        """
        Args:
            resume_token: of a session that goes on; None makes a new one.
            log: what happened in it before.
            journal: told of all that is committed before any client is.
        """
        self.id = run.id
        self.follow_id = follow_id
        self.start = start
        self.client = client
        """Address of who speaks; sessions that wait are given up fairly among these."""
        self.resume_token = resume_token or secrets.token_urlsafe(32)
        self.state = SessionState.LIVE
        self.farewell: Farewell | None = None
        """Set when the session has ended."""
        rate = start.sample_rate
        start_offset = _offset(run.session.received_samples, rate)
        frames = FrameReader(rate, start.encoding, start_offset, start.channels)
        self.running: Running | None = Running(run, frames)
        self._error: ProtocolError | None = None
        self._reason: str | None = None
        self._attached: Attachment | None = None
        self._followers: dict[BoundedQueue[Report], int] = {}
        self.log = log or EventLog()
        self.journal = journal
        self._on_end = on_end
        self._received_offset = start_offset
        self._task = run.start(self._take)
        self._task.add_done_callback(self._end)

    @property
    def received_offset(self) -> int:
        """Samples (of each channel), at the client's rate, or bytes of a container that the session
        has taken in."""
        if self.running is not None:
            self._received_offset = self.running.frames.end_offset
        return self._received_offset

    @property
    def acknowledged_offset(self) -> int:
        """Samples, at the client's rate, that will not be needed again whatever happens: with a
        journal, those that would outlive this server."""
        position = None if self.journal is None else self.journal.position
        if position is None or self.start.encoding is Encoding.CONTAINER:
            return self.received_offset
        return min(self.received_offset, _offset(position, self.start.sample_rate))

    @property
    def movable(self) -> bool:
        """Whether another server could go on with it."""
        live = self.state is SessionState.LIVE and self.journal is not None
        return live and self.start.encoding is not Encoding.CONTAINER

    @property
    def attached(self) -> bool:
        return self._attached is not None

    @property
    def n_words(self) -> int:
        """Committed so far."""
        return self.bye("").words

    @property
    def n_followers(self) -> int:
        return len(self._followers)

    @property
    def resumable(self) -> bool:
        """Its client may come back, if only for what came last."""
        return not self.state.lost

    async def attach(self, last_seq: int) -> Attachment:
        """Take hold of the session and get what happened after an event; whoever holds it is
        evicted first.

        Raises:
            EventsGoneError: it cannot be told what happened since; nobody was evicted.
        """
        self.log.after(last_seq)
        while self._attached is not None:
            self._attached.evicted.set()
            await self._attached.released.wait()
        attachment = Attachment()
        self._put_all(attachment.events, self.log.after(last_seq))
        if self.running is None:
            attachment.events.close()
        else:
            self.running.frames.begin_connection()
            self.running.run.session.connected = True
        self._attached = attachment
        return attachment

    def release(self, attachment: Attachment) -> None:
        """Let go. The session goes on with what it has."""
        attachment.events.close()
        attachment.released.set()
        if self._attached is attachment:
            self._attached = None
            if self.running is not None:
                self.running.run.session.connected = False

    def follow(self, n_segments: int, limit: int) -> Following:
        """Follow read-only, from the newest segments on; ends with the session.

        Args:
            limit: events that may lie unread; beyond, reading ends with `SlowFollowerError`.
        """
        events: BoundedQueue[Report] = BoundedQueue(limit)
        snapshot = self.log.snapshot(n_segments)
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
            return self.running.run.stats.bye(reason)
        assert self.farewell is not None
        return self.farewell.bye

    def finish(self, error: ProtocolError | None) -> None:
        """No more audio: finals follow, then the end. Only the first call counts.

        Args:
            error: why, if not because the client asked for it.
        """
        if self.state is SessionState.LIVE:
            self._error = error
            self._stop(SessionState.FINISHING)

    def abandon(self, reason: str) -> None:
        """Nobody will come back: end. Only if somebody follows, finals are still made."""
        match self.state:
            case SessionState.ENDED:
                self._move(SessionState.GONE)
            case SessionState.LIVE if self._followers:
                self._reason = reason
                self._stop(SessionState.ABANDONED)
            case SessionState.FINISHING if self._followers:
                self._move(SessionState.ABANDONED)
            case SessionState.LIVE | SessionState.FINISHING:
                self._cancel(reason)
            case _:
                pass

    async def abort(self) -> None:
        """End now, without finals."""
        self.dismiss_followers()
        if self.state is SessionState.ABANDONED:
            self._cancel("shutdown")
        else:
            self.abandon("shutdown")
        await self.ended()

    async def ended(self) -> None:
        """Wait for the end."""
        await asyncio.wait({self._task})

    def _stop(self, state: SessionState) -> None:
        self._move(state)
        if self.running is not None:
            self.running.run.stop()

    def _cancel(self, reason: str) -> None:
        self._move(SessionState.CANCELLED)
        self._reason = reason
        if self.running is not None:
            self.running.run.cancel()

    async def _take(self, report: Report) -> None:
        untold = isinstance(report.event, StepDone | AudioPaused)
        if self.journal is not None:
            seq = 0 if untold else self.log.seq + 1
            await self.journal.write(replace(report, seq=seq))
        if untold:
            return
        report = self.log.add(report)
        for events, limit in list(self._followers.items()):
            if len(events) >= limit:
                events.close(SlowFollowerError())
                del self._followers[events]
            else:
                events.put(report)
        if self._attached is not None:
            client = self._attached.events
            client.put(report)
            await client.room()

    def _end(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, SessionFailedError):
            self._error = ProtocolError(ErrorCode.INTERNAL, str(failure))
        elif isinstance(failure, ProtocolError):
            self._error = failure
        elif failure is not None:
            logger.error("session %s: delivery failed: %s", self.id, fault_line(failure))
            self._error = ProtocolError(
                ErrorCode.INTERNAL, "the session failed; start a new one to go on"
            )
        reason = self._reason or "stop"
        if self._error is not None:
            shutdown = self._error.code is ErrorCode.SHUTTING_DOWN
            reason = "shutdown" if shutdown else self._error.code.value
        assert self.running is not None
        stats = self.running.run.stats
        self.farewell = Farewell(
            stats.latency(self.received_offset), self._error, stats.bye(reason)
        )
        self.running = None  # its buffers are large; the log may be wanted for a while
        self._move(SessionState.ENDED if self.resumable else SessionState.GONE)
        for events in self._followers:
            events.close()
        if self._attached is not None:
            self._attached.events.close()
        self._on_end(self)

    def forget(self) -> None:
        """Nobody will come back, not even to another server."""
        if self.journal is not None:
            self.journal.forget()

    def _put_all(self, events: BoundedQueue[Report], missed: tuple[Report, ...]) -> None:
        """They are told late: as late as what is told now."""
        lag_ms = self.running.run.session.lag_ms if self.running is not None else 0.0
        for report in missed:
            events.put(replace(report, lag_ms=lag_ms, made_ns=time.perf_counter_ns()))

    def _move(self, state: SessionState) -> None:
        self.state = checked(self.state, state)


def _offset(sample: int, rate: int) -> int:
    """The same moment in the client's samples."""
    return round(sample * rate / SAMPLE_RATE)
