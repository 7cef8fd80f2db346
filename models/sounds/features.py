"""What the classifier of sounds hears: the power of the spectrum, a frame every 10 ms, as the Kaldi
toolkit makes it. Each frame is made free of its mean and pre-emphasized by itself.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

HOP_SAMPLES: Final = 160
FRAME_SAMPLES: Final = 400
_FFT_SAMPLES: Final = 512
N_BINS: Final = _FFT_SAMPLES // 2 + 1
_FULL_SCALE: Final = np.float32(32_768)
_EMPHASIS: Final = np.float32(0.97)


def power_frames(samples: Array) -> Array:
    """
    Args:
        samples: [N] float32 mono at 16 kHz, in -1 … 1; 400 at least.

    Returns:
        [1 + (N - 400) // 160, 257].
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    frames = frames * _FULL_SCALE
    frames -= frames.mean(axis=1, keepdims=True)
    frames[:, 1:] -= _EMPHASIS * frames[:, :-1]
    frames[:, 0] -= _EMPHASIS * frames[:, 0]
    spectrum = np.fft.rfft(frames * _window(), _FFT_SAMPLES, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)


@cache
def _window() -> Array:
    """Povey's: Hann's to the power of 0.85."""
    turns = 2 * np.pi * np.arange(FRAME_SAMPLES) / (FRAME_SAMPLES - 1)
    return np.asarray((0.5 - 0.5 * np.cos(turns)) ** 0.85, np.float32)
