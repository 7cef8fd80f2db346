"""Two people of the bundled speech in turn, without a pause that would end a segment."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech

CHANGES: Final = (68_000 + 3_200, 68_000 + 72_000 + 2 * 3_200)
"""Samples at which the other one begins, and the first one goes on."""


def two_readers() -> Floats:
    readers = [read_samples(clip.path) for clip in bundled_speech() if clip.label is None]
    first, other = readers[0], readers[3]
    turns = (first[2_000:70_000], other[4_000:76_000], first[70_000:138_000])
    pause = np.zeros(3_200, np.float32)
    return np.concatenate([piece for turn in turns for piece in (turn, pause)])
