"""Audio in a container, on its way into a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.media.contract import EXTRA
from streamer.audio.media.live import LiveDecoder
from streamer.audio.media.process import can_decode
from streamer.audio.media.worker.messages import DecodingError
from streamer.protocol.errors import ProtocolError, broken
from streamer.protocol.messages import ErrorCode
from streamer.runtime.faults import fault_line
from streamer.runtime.metrics import ServerMetrics
from streamer.session.intake import Intake
from streamer.session.session import Session

logger = logging.getLogger(__name__)

_PIECE_SAMPLES: Final = SAMPLE_RATE


def check_containers() -> None:
    """Raises ProtocolError: containers cannot be decoded here."""
    if not can_decode():
        raise ProtocolError(
            ErrorCode.BAD_CONFIG,
            "encoding: audio in a container is not read by this server, which would have to "
            f"{EXTRA}; send samples, and name their encoding and rate",
        )


class ContainerIntake:
    """Feeds a session from a container that comes in pieces. Event loop only."""

    def __init__(
        self,
        session: Session,
        intake: Intake,
        metrics: ServerMetrics,
        on_end: Callable[[], None],
        channels: int = 1,
    ) -> None:
        """
        Args:
            intake: of the session, at 16 kHz.
            on_end: called once, when the container is at its end or its decoder gave up.
            channels: that the container must have; with 1 those it has are mixed.
        """
        self._session = session
        self._intake = intake
        self._metrics = metrics
        self._on_end = on_end
        self._decoder = LiveDecoder(channels)
        self._running: asyncio.Task[None] | None = None
        self.error: ProtocolError | None = None
        """Why it ended before its end."""

    async def feed(self, data: bytes) -> None:
        """Waits while the session holds back. If that is cancelled, nothing has been fed."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await self._decoder.feed(data)

    async def used_up(self) -> None:
        """Waits until all that can be heard of what was fed is in the session."""
        await self._decoder.used_up()

    def end(self) -> None:
        """No more will be fed: what is left is decoded. Returns at once."""
        if self._running is None:
            self._on_end()
        else:
            self._decoder.end()

    def cancel(self) -> None:
        """Give up. Returns at once; twice is harmless."""
        if self._running is not None and not self._running.cancelling():
            self._running.cancel()

    async def ended(self) -> None:
        if self._running is not None:
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        try:
            await self._decoder.run(self._take)
        except DecodingError as error:
            self.error = ProtocolError(
                ErrorCode.BAD_MEDIA,
                f"the audio that came in a container {_told(error)}; if it is samples, name their "
                "encoding and rate",
            )
        except Exception as error:  # noqa: BLE001 - whatever broke, the client gets an answer
            logger.error("a decoder could not run: %s", fault_line(error))
            self.error = broken()
        finally:
            self._on_end()

    async def _take(self, samples: Floats) -> None:
        for at in range(0, len(samples), _PIECE_SAMPLES):
            await self._session.room()
            self._intake.audio(samples[at : at + _PIECE_SAMPLES])
        self._metrics.audio_seconds.inc(samples.size / SAMPLE_RATE)


def _told(error: DecodingError) -> str:
    said = str(error)
    verbs = ("is ", "has ", "holds ")
    return said if said.startswith(verbs) else f"cannot be heard: {said}"
