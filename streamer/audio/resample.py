"""From the client's sample rate to the session clock, without a seam between chunks."""

from __future__ import annotations

import numpy as np
import soxr

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE


class StreamResampler:
    """Converts float32 chunks, `[frames]` or `[frames, channels]`, to 16 kHz; what the chunk sizes
    are makes no difference.

    The filter works in blocks and holds back some 20–40 ms of audio (about 100 ms at 8 kHz)
    until `flush`. At 16 kHz chunks pass through untouched.
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        """`rate`: the client's samples per second."""
        self._nothing = np.zeros(0 if channels == 1 else (0, channels), np.float32)
        self._filter = (
            None
            if rate == SAMPLE_RATE
            else soxr.ResampleStream(rate, SAMPLE_RATE, channels, dtype="float32", quality="HQ")
        )

    def push(self, samples: Floats) -> Floats:
        """Convert a chunk; gives what the filter has ready, perhaps nothing."""
        if self._filter is None:
            return samples
        return self._convert(samples, last=False)

    def flush(self) -> Floats:
        """The rest of the audio; the next chunk begins a new stretch."""
        if self._filter is None:
            return self._nothing
        rest = self._convert(self._nothing, last=True)
        self._filter.clear()
        return rest

    def _convert(self, samples: Floats, *, last: bool) -> Floats:
        assert self._filter is not None
        converted: Floats = self._filter.resample_chunk(np.ascontiguousarray(samples), last=last)
        return converted
