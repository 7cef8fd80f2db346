"""Two devices, say a microphone and what the loudspeaker plays, as one of two channels.

async with MicrophonePair(system, first, second) as pair:
    async for chunk in pair: ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType

from streamer.client.devices.alignment import Alignment
from streamer.client.microphone import AudioSystem, InputDevice, Microphone, MicrophoneChunk


class MicrophonePair:
    """As `Microphone`; samples are `[frames, 2]`, on the clock of the first and at its rate."""

    def __init__(self, system: AudioSystem, first: InputDevice, second: InputDevice) -> None:
        self._first = Microphone(system, first)
        self.sample_rate = self._first.sample_rate
        self._second = Microphone(system, replace(second, sample_rate=self.sample_rate))
        self._opened = AsyncExitStack()

    @property
    def level_db(self) -> float:
        """Of the louder one."""
        return max(self._first.level_db, self._second.level_db)

    async def __aenter__(self) -> MicrophonePair:
        """
        Raises:
            MicrophoneError: a device cannot be opened, the second at the rate of the first.
        """
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._first)
            await opened.enter_async_context(self._second)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    async def __aiter__(self) -> AsyncIterator[MicrophoneChunk]:
        """
        Raises:
            MicrophoneError: a device has gone.
        """
        alignment = Alignment(self.sample_rate)
        takes = {self._first: alignment.first, self._second: alignment.second}
        coming = {asyncio.ensure_future(anext(one)): one for one in takes}
        try:
            while True:
                done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    microphone = coming.pop(task)
                    coming[asyncio.ensure_future(anext(microphone))] = microphone
                    for chunk in takes[microphone](task.result()):
                        yield chunk
        finally:
            for task in coming:
                task.cancel()
