"""Log-mel spectra as Whisper was trained on.

A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022, section 2.2,
and `whisper/audio.py` of the released code; the mel scale and its triangles are those of
M. Slaney, "Auditory Toolbox", 1998.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE

HOP_SAMPLES: Final = 160
FFT_SAMPLES: Final = 400
FLOOR: Final = 1e-10
"""Power that counts as none."""
RANGE_BELS: Final = 8.0
"""Powers of ten that the loudest may stand above the faintest."""

_LINEAR_HZ: Final = 200 / 3
"""Of one mel, up to `_BREAK_HZ`."""
_BREAK_HZ: Final = 1_000.0
_LOG_STEP: Final = np.log(6.4) / 27
"""Above, a mel is this much in the logarithm of the frequency."""


class LogMel:
    """Spectra of `n_mels` bands (80; 128 from Whisper large-v3 on)."""

    def __init__(self, n_mels: int) -> None:
        self.n_mels = n_mels
        self._filters = mel_filters(n_mels)
        self._window = window()

    def __call__(self, samples: Floats) -> Floats:
        """The spectra `[n_mels, F]` of `samples [N]`, F = N // `HOP_SAMPLES`; N is more than 200.

        What is loudest in the samples counts: spectra of a part are not a part of the spectra.
        """
        padded = np.pad(samples, FFT_SAMPLES // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
        spectra = np.fft.rfft(frames[: len(samples) // HOP_SAMPLES] * self._window)
        power = (spectra.real**2 + spectra.imag**2).astype(np.float32)
        bels = np.log10(np.maximum(self._filters @ power.T, FLOOR))
        scaled: Floats = (np.maximum(bels, bels.max() - RANGE_BELS) + 4) / 4
        return scaled


def window() -> Floats:
    """Of `FFT_SAMPLES`, periodic: the first of the next period is left out."""
    hann: Floats = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)
    return hann


def mel_filters(n_mels: int) -> Floats:
    """Triangles `[n_mels, F]` of equal area over the frequencies of the spectrum."""
    nyquist = SAMPLE_RATE / 2
    top_mel = _BREAK_HZ / _LINEAR_HZ + np.log(nyquist / _BREAK_HZ) / _LOG_STEP
    mels = np.linspace(0, top_mel, n_mels + 2)
    above = np.maximum(mels - _BREAK_HZ / _LINEAR_HZ, 0)
    corners = np.where(above > 0, _BREAK_HZ * np.exp(_LOG_STEP * above), _LINEAR_HZ * mels)
    hz = np.linspace(0, nyquist, FFT_SAMPLES // 2 + 1)
    low, middle, high = (corners[at : at + n_mels, None] for at in range(3))
    triangles = np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle))
    filters: Floats = (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)
    return filters
