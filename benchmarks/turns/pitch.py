"""How the voice moves at the end of a stretch of speech, to see whether that tells where turns end.

Pitch is the strongest peak of each frame's autocorrelation, as in every classic tracker; frames
without a clear one are unvoiced.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms

STRETCH_MS: Final = 1_500
"""Of sound that is looked at before the pause."""
_DECIMATION: Final = 2
_FRAME: Final = samples_from_ms(40) // _DECIMATION
_HOP: Final = samples_from_ms(10) // _DECIMATION
_SHORTEST: Final = SAMPLE_RATE // _DECIMATION // 400
"""Period of the highest voice."""
_LONGEST: Final = SAMPLE_RATE // _DECIMATION // 70
_VOICED: Final = 0.5
"""Normalized autocorrelation that a voiced frame has at least."""
_OCTAVE_COST: Final = 0.1
"""What correlates at one period does so at two: the shorter one is preferred by so much."""
_OCTAVE_ERROR: Final = 7.0
"""Semitones from the median: creak, and periods that were taken for two."""
_END_FRAMES: Final = 12
"""Voiced frames that are the end of the stretch."""
_MIN_FRAMES: Final = 24
"""Fewer voiced frames tell nothing."""


def pitch_fall(samples: Floats) -> float | None:
    """How far the voice falls at the end of `samples`, in semitones: the median of the stretch
    less that of its last 120 ms of voice. Negative: it rises. None: too little voice."""
    pitches = _semitones(samples[-samples_from_ms(STRETCH_MS) :])
    if len(pitches) > 0:
        pitches = pitches[np.abs(pitches - np.median(pitches)) < _OCTAVE_ERROR]
    if len(pitches) < _MIN_FRAMES:
        return None
    return float(np.median(pitches[:-_END_FRAMES]) - np.median(pitches[-_END_FRAMES:]))


def _semitones(samples: Floats) -> Floats:
    """Of the voiced frames, in order; above an arbitrary zero."""
    pairs = samples[: len(samples) // _DECIMATION * _DECIMATION].reshape(-1, _DECIMATION)
    sound = pairs.mean(axis=1)
    if len(sound) < _FRAME:
        return np.empty(0, np.float32)
    frames = sliding_window_view(sound, _FRAME)[::_HOP]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hanning(_FRAME)
    size = 2 * _FRAME
    spectrum = np.abs(np.fft.rfft(frames, size)) ** 2
    window = np.abs(np.fft.rfft(np.hanning(_FRAME), size)) ** 2
    correlation = np.fft.irfft(spectrum, size)[:, : _LONGEST + 1]
    energy = correlation[:, :1]
    # The window's own autocorrelation makes long periods look weak.
    taper = np.fft.irfft(window, size)[: _LONGEST + 1]
    normalized = correlation / np.maximum(energy, 1e-9) / (taper / taper[0])
    candidates = normalized[:, _SHORTEST:]
    octaves = np.log2(np.arange(candidates.shape[1]) / _SHORTEST + 1)
    best = (candidates - _OCTAVE_COST * octaves).argmax(axis=1)
    strength = candidates[np.arange(len(candidates)), best]
    loud = energy[:, 0] > 1e-3 * energy.max(initial=1e-9)
    periods = (best + _SHORTEST)[(strength >= _VOICED) & loud]
    semitones: Floats = (-12 * np.log2(periods)).astype(np.float32)
    return semitones
