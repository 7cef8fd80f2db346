"""One channel of several."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats

_OPPOSITE: Final = -0.5
"""Correlation below which two channels hold the same sound with opposite signs."""
_ENOUGH_FRAMES: Final = 400
"""Less sound tells nothing about how channels stand to each other."""
_HALF_LIFE_FRAMES: Final = 48_000
_AUDIBLE: Final = 1e-2
"""Share of the loudest channel's energy below which a channel is no measure for others."""


class ChannelMixer:
    """The mean of the channels of a stream.

    A channel whose sound is that of another with opposite sign, as a wrongly soldered cable or an
    effect makes it, is turned around first: the mean of the two would be silence.
    """

    def __init__(self, channels: int) -> None:
        self._products = np.zeros(channels, np.float64)
        self._energies = np.zeros(channels, np.float64)
        self._n_frames = 0
        self._reference = 0

    def mix(self, frames: Floats) -> Floats:
        """`[N, channels]` to `[N]`."""
        if frames.shape[1] == 1:
            return frames[:, 0]
        turned = self._turned(frames)
        if turned.any():
            frames = np.where(turned, -frames, frames)
        mixed: Floats = frames.mean(axis=1, dtype=np.float32)
        return mixed

    def _turned(self, frames: Floats) -> npt.NDArray[np.bool_]:
        """Which channels `[channels]` are to be turned around."""
        kept = 0.5 ** (len(frames) / _HALF_LIFE_FRAMES)
        self._n_frames += len(frames)
        self._energies = kept * self._energies + np.square(frames).sum(axis=0)
        heard = self._energies > _AUDIBLE * self._energies.max(initial=0.0)
        reference = int(heard.argmax())
        if reference != self._reference:
            self._reference = reference
            self._products[:] = 0
        self._products = kept * self._products + frames[:, reference] @ frames
        scale = np.sqrt(self._energies * self._energies[reference])
        opposite = self._products < _OPPOSITE * scale
        turned: npt.NDArray[np.bool_] = opposite & (self._n_frames >= _ENOUGH_FRAMES)
        return turned
