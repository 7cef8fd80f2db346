"""How loud a stretch of speech is."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamer.audio.arrays import Floats

FRAME_SAMPLES: Final = 160
"""10 ms."""
SILENCE_DBFS: Final = -100.0


def level_dbfs(samples: Floats) -> float:
    """The mean power of the louder half of its frames of 10 ms; 0 is a square wave at full scale,
    `SILENCE_DBFS` stands for anything lower.

    The louder half, because the times of words are inexact: silence beside one must not count.

    Args:
        samples: 16 kHz, mono, at least one frame.
    """
    n_frames = len(samples) // FRAME_SAMPLES
    frames = samples[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    louder = np.sort(power)[n_frames // 2 :]
    return max(SILENCE_DBFS, 10 * float(np.log10(louder.mean() + 1e-20)))
