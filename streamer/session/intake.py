"""From checked client frames to the session: rate conversion, holes, one clock."""

from __future__ import annotations

import time

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.resample import StreamResampler
from streamer.protocol.frame_reader import Hole
from streamer.session.session import Session


class Intake:
    """Feeds a session from audio at the client's rate.

    The filter is emptied at every hole and the clock set anew from the client's offset, so
    that session time stays true to within a sample however long the session lasts.
    """

    def __init__(self, session: Session, rate: int, channels: int = 1) -> None:
        self._session = session
        self._rate = rate
        self._resampler = StreamResampler(rate, channels)

    def audio(self, samples: Floats, capture_time_ms: float = 0.0) -> None:
        """Hand on samples at the client's rate; for the rest see `Session.feed`."""
        started_ns = time.perf_counter_ns()
        self._session.feed(self._resampler.push(samples), capture_time_ms)
        self._session.trace.stage("receive", "receive", started_ns, time.perf_counter_ns())

    async def hole(self, hole: Hole) -> None:
        """Put silence in the place of missing audio."""
        self.flush()
        until_sample = round(hole.until_offset * SAMPLE_RATE / self._rate)
        await self._session.skip(until_sample - self._session.received_samples, hole.reason)

    def flush(self) -> None:
        """Hand on the little that the filter still holds."""
        self._session.feed(self._resampler.flush())
