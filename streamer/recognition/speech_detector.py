"""Where somebody speaks, however quietly.

The detector misses the beginnings of speech below -55 dB. Sound that is quiet enough is therefore
heard a second time, amplified, and counts as speech if it does so either way. The amplification
is constant: one that follows the level would raise the noise in front of every word, and the
detector then misses soft voices that it finds in the sound as it is.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.silero import FRAME_SAMPLES, VadModel, VadStream

GAIN: Final = np.float32(16)
"""24 dB. Where it would clip, the sound is loud enough as it is."""
_QUIET_FRAMES: Final = samples_from_ms(2_000) // FRAME_SAMPLES
"""The amplified sound counts once it has not clipped for so long: in a pause of louder speech it
would keep the segment open over breath and echo."""
_KEPT_FRAMES: Final = samples_from_ms(40_000) // FRAME_SAMPLES
"""More than a segment may have, with the audio that a late step covers at once."""


class SpeechDetector:
    """One session's detector, and what it said of the newest sound."""

    def __init__(self, model: VadModel, start_sample: int) -> None:
        """
        Args:
            start_sample: of the first frame, on the session clock.
        """
        self._plain = VadStream(model)
        self._amplified = VadStream(model)
        self._quiet_frames = _QUIET_FRAMES
        """Since the amplified sound clipped."""
        self._end = start_sample
        self._kept: deque[float] = deque(maxlen=_KEPT_FRAMES)

    def probabilities(self, samples: Floats) -> Floats:
        """Speech probability of each frame of `samples [N * 512]`, which follow the last call's.

        Raises:
            ValueError: the samples are not whole frames.
        """
        probabilities = self._plain.probabilities(samples)
        louder = GAIN * samples
        amplified = self._amplified.probabilities(np.clip(louder, -1, 1))
        peaks = np.abs(louder).reshape(-1, FRAME_SAMPLES).max(axis=1, initial=0)
        for at, peak in enumerate(peaks):
            self._quiet_frames = 0 if peak > 1 else self._quiet_frames + 1
            if self._quiet_frames >= _QUIET_FRAMES:
                probabilities[at] = max(probabilities[at], amplified[at])
        self._kept.extend(probabilities.tolist())
        self._end += len(samples)
        return probabilities

    def between(self, start: int, end: int) -> list[float]:
        """What was said of the frames that overlap the samples `start … end`, as far as kept."""
        first = self._end // FRAME_SAMPLES - len(self._kept)
        begin = max(0, start // FRAME_SAMPLES - first)
        return list(islice(self._kept, begin, max(begin, -(-end // FRAME_SAMPLES) - first)))
