"""A container that comes in pieces, decoded while it comes."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.channels import ChannelMixer
from streamer.audio.media.contract import MAX_PEAK
from streamer.audio.media.process import (
    Format,
    Message,
    MessageReader,
    Needs,
    command,
    died,
    environment,
)
from streamer.audio.media.worker.messages import DecodingError
from streamer.audio.resample import StreamResampler

_READ_BYTES: Final = 1 << 16

Take = Callable[[Floats], Awaitable[None]]
"""What becomes of samples at 16 kHz; while it waits, nothing more is decoded."""


class LiveDecoder:
    """One container. All calls belong on the event loop; only `run` waits for the decoder.

    Little is held: what a pipe holds on either side of the decoder, and what was fed last.
    """

    def __init__(self, channels: int = 1) -> None:
        """`channels`: what is decoded must have so many, and they are kept apart; with 1 it may
        have any, and they are mixed."""
        self._channels = channels
        self._process: Process | None = None
        self._started = asyncio.Event()
        self._fed_bytes = 0
        self._used_bytes = 0
        self._used = asyncio.Condition()
        self._ending = False
        self._over = False
        self._mixer: ChannelMixer | None = None
        self._resampler: StreamResampler | None = None

    async def run(self, take: Take) -> None:
        """Decode what is fed until its end. Call it once; cancelling it is how to give up.

        Raises:
            DecodingError: it cannot be decoded (any further); all before has been taken.
            OSError: there is no process to be had.
        """
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *command(), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment()
            )
            self._process = process
            self._started.set()
            if self._ending:
                self.end()
            await self._read(process, take)
        finally:
            if process is not None:
                with suppress(ProcessLookupError):
                    process.kill()
                assert process.stdin is not None
                process.stdin.close()
                await process.communicate()  # what is left in the pipe would keep it open
            self._over = True
            self._started.set()
            async with self._used:
                self._used.notify_all()

    async def feed(self, data: bytes) -> None:
        """Waits until there is room. If that is cancelled, nothing has been fed."""
        await self._started.wait()
        process = self._process
        if process is None or self._over:
            return
        assert process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # `run` learns why
            await process.stdin.drain()
            process.stdin.write(data)
            self._fed_bytes += len(data)

    async def used_up(self) -> None:
        """Waits until all that can be heard of what was fed has been taken."""
        async with self._used:
            await self._used.wait_for(lambda: self._over or self._used_bytes >= self._fed_bytes)

    def end(self) -> None:
        """No more will be fed."""
        self._ending = True
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()

    async def _read(self, process: Process, take: Take) -> None:
        assert process.stdout is not None
        reader = MessageReader()
        while data := await process.stdout.read(_READ_BYTES):
            for message in reader.read(data):
                await self._take(message, take)
        error = died(await process.wait())
        if error is not None:
            raise error
        if self._resampler is not None:
            await take(self._resampler.flush())

    async def _take(self, message: Message, take: Take) -> None:
        match message:
            case Format():
                if self._channels not in (1, message.channels):
                    raise DecodingError(f"has {message.channels} channels, not {self._channels}")
                self._mixer = ChannelMixer(message.channels) if self._channels == 1 else None
                self._resampler = StreamResampler(message.rate, self._channels)
            case Needs():
                async with self._used:
                    self._used_bytes = message.used_bytes
                    self._used.notify_all()
            case np.ndarray():
                assert self._resampler is not None
                peak = float(np.abs(message).max(initial=0.0))
                if not peak <= MAX_PEAK:
                    raise DecodingError("holds samples that are far outside -1 … 1")
                kept = message if self._mixer is None else self._mixer.mix(message)
                await take(self._resampler.push(kept))
