"""Music, made by rule."""

from __future__ import annotations

import numpy as np

from streamer.audio.arrays import Floats


def tune(seconds: float) -> Floats:
    """Plucked chords, four a second, over a bass."""
    at = np.arange(4_000) / 16_000
    notes = []
    for beat in range(round(4 * seconds)):
        root = 220 * 2 ** ((0, 5, 7, 0, 9, 5, 7, 12)[beat % 8] / 12)
        pitches = (root / 2, root, root * 2 ** (4 / 12), root * 2 ** (7 / 12))
        harmonics = [(p * k, 1 / k) for p in pitches for k in (1, 2, 3, 4, 5)]
        strings = sum(a * np.sin(2 * np.pi * f * at) for f, a in harmonics)
        notes.append(strings * np.exp(-6 * at))
    return (0.05 * np.concatenate(notes)).astype(np.float32)
