"""An uploaded recording through a session: as fast as it can be heard, losing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.recognition.contract import SessionOptions
from streamer.runtime.faults import retrieved
from streamer.session.pace import CATCH_UP_BACKLOG_S
from streamer.session.places import Place
from streamer.session.report import Report
from streamer.session.runner import SessionRun, SessionRunner, Take

BLOCK_SAMPLES: Final = 4_096


class FileSession:
    """Holds a place on the server like any other client. `run` once."""

    def __init__(
        self,
        blocks: Generator[Floats, None, None],
        runner: SessionRunner,
        options: SessionOptions,
        take: Take,
        place: Place,
        max_s: float,
    ) -> None:
        """
        Args:
            blocks: 16 kHz mono; read on a thread of their own, and closed.
            place: it is given back.
            max_s: of sound.
        """
        self._blocks = blocks
        self._runner = runner
        self._options = options
        self._take = take
        self._place = place
        self._max_s = max_s
        self._interruption: ProtocolError | None = None
        self.received_samples = 0

    def interrupt(self, error: ProtocolError) -> None:
        """Let `run` fail with `error`. Returns at once."""
        self._interruption = error

    @property
    def undecided(self) -> bool:
        return False

    async def run(self) -> None:
        """Returns when everything has been reported.

        Raises:
            SessionFailedError: the recognizer broke.
            ProtocolError: there is no recognizer, the recording is too long, or what `interrupt`
                was told.
        And what reading the blocks raises.
        """
        run = self._runner.open(
            self._options,
            SAMPLE_RATE,
            limits=replace(self._runner.limits, recording=True, max_backlog_s=CATCH_UP_BACKLOG_S),
            place=self._place,
        )

        async def take(report: Report) -> None:
            await self._take(report)
            run.stats.emitted(report)

        done = run.start(take)
        feeding = asyncio.create_task(self._feed(run))
        feeding.add_done_callback(retrieved)
        try:
            await done
            await feeding
        finally:
            feeding.cancel()
            await asyncio.wait({feeding})
            await run.abort()

    async def _feed(self, run: SessionRun) -> None:
        # What a stranger has sent may take long to decode, and others need the common threads.
        thread = ThreadPoolExecutor(1)
        try:
            async for block in self._read(thread):
                await run.session.room()
                if self._interruption is not None:
                    raise self._interruption
                if self.received_samples > self._max_s * SAMPLE_RATE:
                    raise ProtocolError(
                        ErrorCode.MESSAGE_TOO_LARGE,
                        f"the recording is longer than {self._max_s:g} s; send it in parts",
                    )
                run.intake.audio(block)
                self.received_samples += len(block)
        finally:
            run.stop()
            thread.submit(self._blocks.close)
            thread.shutdown(wait=False)

    async def _read(self, thread: ThreadPoolExecutor) -> AsyncIterator[Floats]:
        loop = asyncio.get_running_loop()
        while (block := await loop.run_in_executor(thread, next, self._blocks, None)) is not None:
            yield block
