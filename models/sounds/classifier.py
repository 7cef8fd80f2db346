"""The classifier of sounds at run time: how likely each frame is speech, singing, music.

The network looks 1.6 s ahead, so what it says of a frame comes so much later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from streamer.models.onnx.late_session import LateSession
from streamer.models.sounds.features import FRAME_SAMPLES, HOP_SAMPLES, Array, power_frames

KINDS: Final = ("speech", "singing", "music")
"""Any of them, and several, may be heard at once."""
AHEAD_FRAMES: Final = 160
"""Of 10 ms, that are heard before a frame is judged."""
N_BLOCKS: Final = 8
BEFORE_FRAMES: Final = 39
"""Frames that each block keeps of its own input, half of which lie behind the one it judges."""
SKIPPED_FRAMES: Final = 20
WIDTH: Final = 128


class SoundClassifier:
    """The weights; shared by all sessions, safe to call from several threads. They are opened by
    the first call: who never asks for sounds pays nothing."""

    def __init__(self, model_path: Path) -> None:
        """
        Args:
            model_path: `models/weights/sounds.onnx`.

        Raises:
            ModelMissingError: there is no such file.
        """
        self._session = LateSession(model_path, "sounds")

    def run(self, power: Array, before: Array, skipped: Array) -> tuple[Array, Array, Array]:
        """
        Args:
            power: `[T, 257]`, as `power_frames` gives them.
            before, skipped: `[8, 128, 1, 39]` and `[7, 128, 1, 20]`, what the blocks keep; zeros at
                the beginning.

        Returns:
            Probabilities `[T, 3]` of the frames `AHEAD_FRAMES` before these, and what the blocks
            keep then.

        Raises:
            ModelCorruptError: the file cannot be read.
        """
        told, before, skipped = self._session.opened().run(
            None, {"power": power, "before": before, "skipped": skipped}
        )
        return told, before, skipped


class SoundStream:
    """One session's sound, from its first sample on."""

    def __init__(self, classifier: SoundClassifier) -> None:
        self._classifier = classifier
        self._samples = np.zeros(0, np.float32)
        self._before = np.zeros((N_BLOCKS, WIDTH, 1, BEFORE_FRAMES), np.float32)
        self._skipped = np.zeros((N_BLOCKS - 1, WIDTH, 1, SKIPPED_FRAMES), np.float32)

    def probabilities(self, samples: Array) -> Array:
        """
        Args:
            samples: `[N]` float32 mono at 16 kHz, which follow the last call's.

        Returns:
            `[frames, 3]`, of `KINDS`: those of the frames that can be judged now. The first 160
            that ever come lie before the sound and mean nothing.
        """
        self._samples = np.concatenate([self._samples, samples])
        if len(self._samples) < FRAME_SAMPLES:
            return np.zeros((0, len(KINDS)), np.float32)
        power = power_frames(self._samples)
        self._samples = self._samples[len(power) * HOP_SAMPLES :]
        told, self._before, self._skipped = self._classifier.run(power, self._before, self._skipped)
        return told
