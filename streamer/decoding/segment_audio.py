"""One segment's sound on its way into the encoder, on the session clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamer.audio.arrays import Floats
from streamer.models.moonshine.contract import AudioStream, EncodeRequest


class SegmentAudio:
    """Hands each sample to the encoder once; forgets what lies before the window."""

    def __init__(self, start_sample: int, stream: AudioStream, frame_samples: int) -> None:
        """
        Args:
            stream: of the encoder, new.
            frame_samples: samples that one of the encoder's states stands for.
        """
        self._stream = stream
        self._frame_samples = frame_samples
        self._start = start_sample
        self._sent_until = start_sample
        self.fresh_until = start_sample
        """End of the last window that was encoded afresh."""

    def request(
        self,
        read: Callable[[int, int], Floats],
        window_start: int,
        end: int,
        *,
        silence_samples: int,
        afresh: bool,
    ) -> EncodeRequest:
        """Encode `window_start … end` with some silence behind it.

        `window_start` lies whole frames behind the segment's start, and never goes back. What lies
        behind `end` is left out if it was handed over before.
        """
        n_forgotten = (window_start - self._start) // self._frame_samples
        self._start += n_forgotten * self._frame_samples
        samples = read(self._sent_until, end) if end > self._sent_until else np.zeros(0, np.float32)
        self._sent_until = max(self._sent_until, end)
        if afresh:
            self.fresh_until = end
        return EncodeRequest(
            self._stream, n_forgotten, samples, end - self._start, silence_samples, afresh
        )
