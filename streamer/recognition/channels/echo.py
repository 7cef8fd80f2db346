"""Where one channel hears nothing but another: the far side, from a loudspeaker, in the near
microphone.

The newest sound of the microphone is correlated with the far channel at every delay that a room
and two sound cards may make. Where one delay explains most of its energy, again and again the same
one, nobody spoke there but the far side. Where the near speaker speaks at once, and louder than
what comes back, as people mostly do in their own microphone, the correlation is low. Speech that is
softer than the echo is taken for it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.silero import FRAME_SAMPLES

_STEP: Final = 2
"""Every second sample is enough to find a delay by."""
_WINDOW: Final = samples_from_ms(256) // _STEP
_MAX_DELAY: Final = samples_from_ms(416) // _STEP
_FFT: Final = 1 << (2 * _WINDOW + _MAX_DELAY).bit_length()
_EMPHASIS: Final = np.float32(0.95)
"""Vowels of two people may look alike; what is left of them without their low tones does not."""
_EXPLAINED: Final = 0.6
"""Share of the microphone's energy."""
_NEAR_FRAMES: Final = 16
"""Who has spoken is listened to for half a second more: his softest sounds, and pauses between
words, are left as they are."""
_LEVEL_KEPT: Final = 0.95
_SAME_DELAY: Final = samples_from_ms(2) // _STEP
_AGREEING: Final = 3
"""So many frames in a row make a delay known."""
_LEAST_ENERGY: Final = 1e-6
"""Of a window: digital silence, and a little noise."""


class EchoWatch:
    """Finds the frames of the session clock in which the first channel hears the second alone."""

    def __init__(self, start_sample: int = 0) -> None:
        """`start_sample`: of the sound to come."""
        self._detector = EchoDetector()
        self._end = start_sample
        self._pending = np.zeros((0, 2), np.float32)
        """Of the frame that is not whole yet."""

    def echoes(self, samples: Floats) -> list[int]:
        """Where such frames begin that `samples [frames, 2]` make whole."""
        # Where the session goes on within a frame, that one is left as it is.
        self._end += len(samples)
        self._pending = np.concatenate([self._pending, samples])
        begin = self._end - len(self._pending)
        found = []
        last = len(self._pending) - FRAME_SAMPLES
        for at in range(-begin % FRAME_SAMPLES, last + 1, FRAME_SAMPLES):
            near, far = self._pending[at : at + FRAME_SAMPLES].T
            if self._detector.is_echo(near, far):
                found.append(begin + at)
        self._pending = self._pending[len(self._pending) - self._end % FRAME_SAMPLES :]
        return found

    def skip(self, n_samples: int) -> None:
        """The clock goes on over sound that is missing."""
        self._detector = EchoDetector()
        self._end += n_samples
        self._pending = np.zeros((0, 2), np.float32)


class EchoDetector:
    """One near channel's, with one far one. Takes whole frames of both."""

    def __init__(self) -> None:
        self._near = np.zeros(_WINDOW, np.float32)
        self._far = np.zeros(_WINDOW + _MAX_DELAY, np.float32)
        self._last = np.zeros(2, np.float32)
        self._delays: deque[int] = deque(maxlen=_AGREEING)
        self._known: int | None = None
        self._echo_energy = 0.0
        """Of a window with nothing else in it, of late."""
        self._since_near = _NEAR_FRAMES
        """Frames since the near speaker was heard."""

    def is_echo(self, near: Floats, far: Floats) -> bool:
        """Whether the newest sound of the near channel is that of the far one."""
        self._near = _shifted(self._near, self._emphasized(near, 0))
        self._far = _shifted(self._far, self._emphasized(far, 1))
        energy = float(self._near @ self._near)
        if energy < _LEAST_ENERGY or float(self._far @ self._far) < energy:
            return False
        delay, explained = self._best_delay(energy)
        self._since_near += 1
        if (1 - explained) * energy > self._echo_energy > 0:
            self._since_near = 0
        if explained < _EXPLAINED:
            self._delays.clear()
            return False
        self._delays.append(delay)
        if len(self._delays) == _AGREEING and np.ptp(self._delays) <= _SAME_DELAY:
            self._known = delay
        if self._known is None or abs(delay - self._known) > _SAME_DELAY:
            return False
        self._echo_energy = max(self._echo_energy * _LEVEL_KEPT, explained * energy)
        return self._since_near >= _NEAR_FRAMES

    def _emphasized(self, frame: Floats, side: int) -> Floats:
        before = np.concatenate([self._last[side : side + 1], frame[:-1]])
        self._last[side] = frame[-1]
        sharp = frame - _EMPHASIS * before
        mean: Floats = sharp.reshape(-1, _STEP).mean(axis=1)
        return mean

    def _best_delay(self, energy: float) -> tuple[int, float]:
        """The one that explains most of the near sound, and how much of its energy."""
        near = np.fft.rfft(self._near, _FFT)
        products = np.fft.irfft(np.fft.rfft(self._far, _FFT) * np.conj(near))[: _MAX_DELAY + 1]
        sums = np.concatenate([[0.0], np.cumsum(np.square(self._far, dtype=np.float64))])
        energies = sums[_WINDOW:] - sums[: _MAX_DELAY + 1]
        explained = np.square(products) / (energies + _LEAST_ENERGY) / energy
        best = int(explained.argmax())
        return _MAX_DELAY - best, float(explained[best])


def _shifted(kept: Floats, new: Floats) -> Floats:
    return np.concatenate([kept[len(new) :], new])
