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
from streamer.models.silero import FRAME_SAMPLES, Vad, VadStream

GAIN: Final = np.float32(16)
"""24 dB. Where it would clip, the sound is loud enough as it is."""
_QUIET_FRAMES: Final = samples_from_ms(2_000) // FRAME_SAMPLES
"""The amplified sound counts once it has not clipped for so long: in a pause of louder speech it
would keep the segment open over breath and echo."""
_WARM_UP_FRAMES: Final = samples_from_ms(500) // FRAME_SAMPLES
"""It is heard for so long before it counts; hearing everything twice would cost a tenth more."""
_KEPT_FRAMES: Final = samples_from_ms(40_000) // FRAME_SAMPLES
"""More than a segment may have, with the audio that a late step covers at once."""


class SpeechDetector:
    """One session's detector, and what it said of the newest sound."""

    def __init__(self, model: Vad, start_sample: int) -> None:
        """
        Args:
            start_sample: of the first frame, on the session clock.
        """
        self._model = model
        self._plain = VadStream(model)
        self._amplified = VadStream(model)
        self._quiet_frames = _QUIET_FRAMES
        """Since the amplified sound clipped."""
        self._hushed: set[int] = set()
        self._end = start_sample
        self._kept: deque[float] = deque(maxlen=_KEPT_FRAMES)

    def probabilities(self, samples: Floats) -> Floats:
        """Speech probability of each frame of `samples [N * 512]`, which follow the last call's.

        Raises:
            ValueError: the samples are not whole frames.
        """
        frames = samples.reshape(-1, FRAME_SAMPLES)
        probabilities = np.maximum(self._plain.probabilities(samples), self._amplified_too(frames))
        if self._hushed:
            first = self._end // FRAME_SAMPLES
            for at in range(len(frames)):
                if first + at in self._hushed:
                    self._hushed.remove(first + at)
                    probabilities[at] = 0.0
        self._kept.extend(probabilities.tolist())
        self._end += len(samples)
        return probabilities

    def hush(self, start: int) -> None:
        """In the frame that begins at this sample, which is yet to come, nobody speaks."""
        self._hushed.add(start // FRAME_SAMPLES)

    def _amplified_too(self, frames: Floats) -> Floats:
        """Of frames of the amplified sound; 0 where it does not count."""
        found = np.zeros(len(frames), np.float32)
        amplified = GAIN * frames
        waiting = 0
        """Frames before the one that is looked at, that are to be heard together."""
        for at, clips in enumerate(np.abs(amplified).max(axis=1) > 1):
            if clips:
                self._hear_amplified(amplified, found, at - waiting, at)
                waiting = self._quiet_frames = 0
                self._amplified = VadStream(self._model)
                continue
            self._quiet_frames += 1
            waiting += self._quiet_frames > _QUIET_FRAMES - _WARM_UP_FRAMES
        self._hear_amplified(amplified, found, len(frames) - waiting, len(frames))
        return found

    def _hear_amplified(self, amplified: Floats, found: Floats, start: int, end: int) -> None:
        if end == start:
            return
        heard = self._amplified.probabilities(amplified[start:end].reshape(-1))
        n_counted = min(end - start, self._quiet_frames - _QUIET_FRAMES + 1)
        if n_counted > 0:
            found[end - n_counted : end] = heard[-n_counted:]

    def between(self, start: int, end: int) -> list[float]:
        """What was said of the frames that overlap the samples `start … end`, as far as kept."""
        first = self._end // FRAME_SAMPLES - len(self._kept)
        begin = max(0, start // FRAME_SAMPLES - first)
        return list(islice(self._kept, begin, max(begin, -(-end // FRAME_SAMPLES) - first)))
