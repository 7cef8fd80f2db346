"""The fundamental frequency of a voice, by autocorrelation.

As P. Boersma has it (Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound, IFA Proceedings 17, 1993): the autocorrelation of a
windowed frame divided by that of the window, whose highest peak is the period. Dividing keeps the
peak of a periodic sound near 1 whatever its period, so that one threshold tells voice from noise.
It needs no fundamental in the sound: that a telephone passes nothing below 300 Hz does not matter.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE

LOWEST_HZ: Final = 75.0
HIGHEST_HZ: Final = 500.0
FRAME_SAMPLES: Final = 640
"""40 ms: three periods of the lowest voice."""
HOP_SAMPLES: Final = 160
_VOICED_FROM: Final = 0.5
"""Of the autocorrelation, which is 1 for a sound that repeats itself exactly."""
_FAINT_DB: Final = -25.0
"""A frame that much below the loudest is the end of a sound, or room, and not told."""
_OCTAVE_COST: Final = 0.02
"""A sound repeats itself after two periods too: of peaks equally high the shortest period wins."""
_FFT_SAMPLES: Final = 1_024
_FIRST_LAG: Final = int(SAMPLE_RATE / HIGHEST_HZ)
_LAST_LAG: Final = int(SAMPLE_RATE / LOWEST_HZ) + 1


def pitches_hz(samples: Floats) -> Floats:
    """The pitch of every voiced frame, in order: one each 10 ms, none where nothing is voiced.

    Args:
        samples: 16 kHz, mono.
    """
    if len(samples) < FRAME_SAMPLES:
        return np.zeros(0, np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = np.square(frames).mean(axis=1)
    frames = frames[energy > max(1e-10, energy.max() * 10 ** (_FAINT_DB / 10))]
    if len(frames) == 0:
        return np.zeros(0, np.float32)
    window = np.hanning(FRAME_SAMPLES).astype(np.float32)
    similar = _autocorrelation(frames * window) / _autocorrelation(window[None])
    lags = np.arange(_FIRST_LAG, _LAST_LAG + 1)
    # Only peaks count: the slope down from lag 0 is as high.
    inner = similar[:, lags]
    is_peak = (inner >= similar[:, lags - 1]) & (inner >= similar[:, lags + 1])
    worth = np.where(is_peak, inner - _OCTAVE_COST * np.log2(lags / _FIRST_LAG), -np.inf)
    best = worth.argmax(axis=1)
    rows = np.arange(len(frames))
    voiced = is_peak[rows, best] & (inner[rows, best] >= _VOICED_FROM)
    rows, at = rows[voiced], lags[best[voiced]]
    before, here, after = (similar[rows, at + step] for step in (-1, 0, 1))
    curve = before - 2 * here + after
    shift = np.where(curve < 0, (before - after) / np.where(curve < 0, 2 * curve, 1), 0.0)
    found: Floats = (SAMPLE_RATE / (at + shift)).astype(np.float32)
    return found


def _autocorrelation(frames: Floats) -> Floats:
    """Of each row, by lag, divided by that at lag 0."""
    spectrum = np.fft.rfft(frames, _FFT_SAMPLES)
    lags = np.fft.irfft(np.square(np.abs(spectrum)), _FFT_SAMPLES)[:, : _LAST_LAG + 2]
    return (lags / lags[:, :1]).astype(np.float32)
