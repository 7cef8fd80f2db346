"""The receiving half of a websocket: messages, limits, and audio on its way to the session."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from streamer.hosting.options import ServerOptions
from streamer.hosting.session_settings import session_change
from streamer.protocol.errors import ProtocolError
from streamer.protocol.frame_reader import FrameReader, Hole
from streamer.protocol.frames import AudioFrame
from streamer.protocol.messages import (
    ConfigureMessage,
    ErrorCode,
    FinalizeMessage,
    ResumeMessage,
    StartMessage,
)
from streamer.protocol.parsing import parse_text
from streamer.runtime.metrics import ServerMetrics
from streamer.server.sender import Sender, Socket
from streamer.server.token_bucket import TokenBucket
from streamer.session.runner import SessionRun

_FREE_FRAME_MS: Final = 10


class Receiver:
    """Reads one client."""

    def __init__(
        self, socket: Socket, sender: Sender, options: ServerOptions, metrics: ServerMetrics
    ) -> None:
        self._socket = socket
        self._sender = sender
        self._options = options
        self._metrics = metrics
        self._allowance = TokenBucket(options.max_messages_per_s)
        self._receiving: asyncio.Timeout | None = None
        self._interruption: ProtocolError | None = None
        self._nothing_came = True

    def interrupt(self, error: ProtocolError) -> None:
        """Let the read that waits, or the next one, fail with `error`."""
        self._interruption = self._interruption or error
        if self._receiving is not None and not self._receiving.expired():
            self._receiving.reschedule(asyncio.get_running_loop().time())

    async def read(self, run: SessionRun, frames: FrameReader) -> None:
        """Take messages until `stop`. May be cancelled: what was not taken in whole does not
        count as seen, and the client sends it again when it resumes.

        Raises:
            ProtocolError: a fatal one; all audio before it has been fed.
            SocketClosedError: the client left.
        """
        while True:
            # Not reading is what slows the client down: TCP holds its messages back.
            await run.session.room()
            message = await self.receive()
            if isinstance(message, bytes):
                await self._take_audio(message, frames, run)
                continue
            self.count_message()
            parsed = parse_text(message)
            if isinstance(parsed, StartMessage | ResumeMessage):
                await self._sender.send_error(
                    ProtocolError(
                        ErrorCode.ALREADY_STARTED,
                        "the session has its settings already; open another to change them",
                    )
                )
            elif isinstance(parsed, ConfigureMessage):
                await run.session.change(session_change(parsed))
            elif isinstance(parsed, FinalizeMessage):
                await run.finalize()
            else:
                return

    async def _take_audio(self, data: bytes, frames: FrameReader, run: SessionRun) -> None:
        before = frames.end_offset
        if frames.audio_ms(data) < _FREE_FRAME_MS:
            self.count_message()
        intake = run.intake
        for item in frames.read(data):
            if isinstance(item, ProtocolError):
                await self._sender.send_error(item)
            elif isinstance(item, Hole):
                await intake.hole(item)
            elif isinstance(item, AudioFrame):
                intake.audio(item.samples, item.capture_time_ms)
            elif run.container is not None:
                await run.container.feed(item.data)
        if run.container is None:
            seconds = (frames.end_offset - before) / frames.rate
            self._metrics.audio_seconds.inc(seconds * frames.channels)

    def count_message(self) -> None:
        """Count a small message against the limit. Raises ProtocolError."""
        if not self._allowance.take(time.monotonic()):
            raise ProtocolError(
                ErrorCode.RATE_LIMITED,
                f"more than {self._options.max_messages_per_s:g} small messages a second; "
                "send audio in chunks of 20 to 200 ms",
            )

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            ProtocolError: too large, nothing came for long, or what `interrupt` was told.
            SocketClosedError: the client left.
        """
        if self._interruption is not None:
            raise self._interruption
        options = self._options
        idle_s = options.first_message_timeout_s if self._nothing_came else options.idle_timeout_s
        try:
            async with asyncio.timeout(idle_s) as self._receiving:
                message = await self._socket.receive()
        except TimeoutError:
            if self._interruption is not None:
                raise self._interruption from None
            raise ProtocolError(
                ErrorCode.IDLE_TIMEOUT,
                f"nothing came for {idle_s:g} s; send audio, silence too, or stop the session",
            ) from None
        finally:
            self._receiving = None
        self._nothing_came = False
        if len(message) > self._options.max_message_bytes:
            raise ProtocolError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"message of {len(message)} bytes; send at most "
                f"{self._options.max_message_bytes} bytes at once",
            )
        return message
