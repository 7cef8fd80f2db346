"""What the voice encoder hears: 40 mel bands of the spectrum's power, a frame every 10 ms.

The bands are Slaney's: linear below 1 kHz, logarithmic above, each triangle of the same area.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.clock import SAMPLE_RATE

Array = npt.NDArray[np.float32]

N_BANDS: Final = 40
FRAME_SAMPLES: Final = 160
_WINDOW_SAMPLES: Final = 400
_QUIETEST_DBFS: Final = -30.0
"""Softer sound is made as loud as this, as the encoder was trained on."""
_LINEAR_HZ: Final = 200 / 3
_BREAK_HZ: Final = 1_000.0
_LOG_STEP: Final = np.log(6.4) / 27


def mel_frames(samples: Array) -> Array:
    """
    Args:
        samples: [N] float32 mono at 16 kHz, not silent throughout.

    Returns:
        [1 + N // 160, 40].
    """
    padded = np.pad(_loud_enough(samples), _WINDOW_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::FRAME_SAMPLES]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(power @ _bands(), np.float32)


def _loud_enough(samples: Array) -> Array:
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    missing_db = _QUIETEST_DBFS - 20 * np.log10(max(rms, 1e-9))
    return samples if missing_db <= 0 else np.asarray(samples * 10 ** (missing_db / 20), np.float32)


@cache
def _window() -> Array:
    """Hann's, periodic."""
    turns = 2 * np.pi * np.arange(_WINDOW_SAMPLES) / _WINDOW_SAMPLES
    return np.asarray(0.5 - 0.5 * np.cos(turns), np.float32)


@cache
def _bands() -> Array:
    """[201, 40]"""
    bins = np.fft.rfftfreq(_WINDOW_SAMPLES, 1 / SAMPLE_RATE)
    highest = _mel(SAMPLE_RATE / 2)
    corners = _hz(np.linspace(0.0, highest, N_BANDS + 2))
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins[:, None] - low) / (middle - low)
    falling = (high - bins[:, None]) / (high - middle)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * 2 / (high - low), np.float32)


def _mel(hz: float) -> float:
    return float(_BREAK_HZ / _LINEAR_HZ + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    break_mel = _BREAK_HZ / _LINEAR_HZ
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel))
    return np.where(mel < break_mel, mel * _LINEAR_HZ, above)
