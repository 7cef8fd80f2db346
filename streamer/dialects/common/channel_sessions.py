"""A stream of audio with one channel or several, each of which is a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from streamer.audio.arrays import Floats
from streamer.dialects.common.dialect import StartSession
from streamer.protocol.errors import ProtocolError
from streamer.recognition.contract import SessionChange
from streamer.session.limits import SessionLimits
from streamer.session.report import Report
from streamer.session.runner import SessionRun, SessionRunner, Take

TakeFrom = Callable[[int, Report], Awaitable[None]]
"""What becomes of a channel's report; the channel's next one waits until it returns."""


class ChannelSessions:
    """Whoever opened them calls `abort` on every way out."""

    def __init__(
        self, rate: int, runs: Sequence[SessionRun], tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        """
        Args:
            rate: of the audio that comes.
            runs: one for each channel; they have begun.
            tasks: of the runs; while they are fed none ends unless it breaks.
        """
        self._rate = rate
        self._runs = runs
        self.tasks = tasks

    @classmethod
    async def open(
        cls, wanted: StartSession, runner: SessionRunner, limits: SessionLimits, take: TakeFrom
    ) -> ChannelSessions:
        """Each channel takes a place.

        Raises:
            ProtocolError: there are not enough places, or no recognizer; none is open.
        """
        runs: list[SessionRun] = []
        tasks: list[asyncio.Task[None]] = []
        try:
            for channel in range(wanted.channels):
                run = runner.open(
                    wanted.options, wanted.rate, limits=limits, container=wanted.container
                )
                runs.append(run)
                tasks.append(run.start(_counted(run, channel, take)))
        except ProtocolError:
            await cls(wanted.rate, runs, tasks).abort()
            raise
        return cls(wanted.rate, runs, tasks)

    @property
    def received_samples(self) -> int:
        return self._runs[0].session.received_samples

    def check(self) -> None:
        """Raises what ended a session, if it broke."""
        for task in self.tasks:
            if task.done():
                task.result()

    async def room(self) -> None:
        """Wait while more audio is unprocessed than a session should hold."""
        for run in self._runs:
            await run.session.room()

    async def feed(self, samples: Floats) -> None:
        """Samples `[frames]`, or `[frames, channels]`; a second at a time, as there is room."""
        frames = samples.reshape(-1, len(self._runs))
        for at in range(0, len(frames), self._rate):
            await self.room()
            for channel, run in enumerate(self._runs):
                run.intake.audio(frames[at : at + self._rate, channel])

    async def decode(self, data: bytes) -> None:
        """The next bytes of a container, whose channels are mixed."""
        (run,) = self._runs
        if run.container is not None:
            await run.container.feed(data)

    def seconds(self, samples: Floats) -> float:
        """Of sound, in all channels together."""
        return samples.size / self._rate

    async def change(self, change: SessionChange) -> None:
        """For all that is not committed yet."""
        for run in self._runs:
            await run.session.change(change)

    async def finalize(self) -> None:
        """Make all audio so far final; the sessions go on."""
        await asyncio.gather(*(run.finalize() for run in self._runs))

    async def end(self) -> None:
        """No more audio. Returns when all that came of it has been taken. Raises what ended a
        session."""
        for run in self._runs:
            run.stop()
        await asyncio.gather(*self.tasks)

    async def abort(self) -> None:
        """End now, without finals."""
        for run in self._runs:
            await run.abort()


def _counted(run: SessionRun, channel: int, take: TakeFrom) -> Take:
    async def take_one(report: Report) -> None:
        await take(channel, report)
        run.stats.emitted(report)

    return take_one
