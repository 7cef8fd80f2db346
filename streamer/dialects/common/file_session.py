"""An uploaded recording through a session: as fast as it can be heard, losing nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from streamer.audio.arrays import Floats
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import shutting_down
from streamer.recognition.contract import RecognizerFactory, SessionOptions
from streamer.runtime.metrics import ServerMetrics
from streamer.runtime.tracing import LatencyTrace
from streamer.session.opening import open_recognizer
from streamer.session.session import Report, Session, SessionLimits
from streamer.session.stats import SessionStats

BLOCK_SAMPLES: Final = 4_096
_MAX_BACKLOG_S: Final = 0.3
"""Little enough that a recording is heard step by step, as live audio is: words come out while it
is being heard, and the LLM has its say. With more waiting it would be left out."""


class FileSession:
    """Holds a place on the server like any other client. `run` once."""

    def __init__(
        self,
        blocks: Iterator[Floats],
        factory: RecognizerFactory,
        wanted: SessionOptions,
        options: ServerOptions,
        metrics: ServerMetrics,
        session_id: str,
        trace: LatencyTrace,
        on_report: Callable[[Report], Awaitable[None]],
    ) -> None:
        """`blocks`: 16 kHz mono; read on another thread."""
        self._blocks = blocks
        self._factory = factory
        self._wanted = wanted
        self._options = options
        self._metrics = metrics
        self._session_id = session_id
        self._trace = trace
        self._on_report = on_report
        self._shutting_down = False
        self.received_samples = 0

    def shut_down(self) -> None:
        """Let `run` fail with `shutting_down`. Returns at once."""
        self._shutting_down = True

    @property
    def overdue_ms(self) -> None:
        """A recording is never late."""
        return None

    async def run(self) -> None:
        """Returns when everything has been reported.

        Raises:
            SessionFailedError: the recognizer broke.
            ProtocolError: there is no recognizer, or the server shuts down.
        And what reading the blocks raises.
        """
        limits = SessionLimits(
            outbox_events=self._options.outbox_events,
            max_backlog_s=_MAX_BACKLOG_S,
            recording=True,
        )
        recognizer = open_recognizer(self._factory, self._wanted, self._trace, self._session_id)
        self._metrics.sessions.inc()
        with self._metrics.sessions_active.track_inprogress():
            async with Session(recognizer, self._factory.executor, limits, self._trace) as session:
                feeding = asyncio.create_task(self._feed(session))
                try:
                    await self._tell(session)
                    await feeding
                finally:
                    feeding.cancel()
                    await asyncio.wait({feeding})

    async def _tell(self, session: Session) -> None:
        tally = SessionStats(session, self._metrics)
        async for report in session:
            tally.count(report)
            await self._on_report(report)
            tally.emitted(report, time.perf_counter_ns())

    async def _feed(self, session: Session) -> None:
        try:
            async for block in self._read():
                await session.room()
                if self._shutting_down:
                    raise shutting_down()
                session.feed(block)
                self.received_samples += len(block)
        finally:
            session.stop()

    async def _read(self) -> AsyncIterator[Floats]:
        while (block := await asyncio.to_thread(next, self._blocks, None)) is not None:
            yield block
