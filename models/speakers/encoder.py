"""The voice encoder at run time: a window of speech in, a vector of its voice out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.onnx.late_session import LateSession
from streamer.models.speakers.features import Array, mel_frames

MIN_WINDOW_S: Final = 0.4
_SILENCE_PEAK: Final = 1e-4


class VoiceEncoder:
    """One ONNX Runtime session, opened by the first call: who never asks who speaks pays nothing.
    Safe to call from several threads."""

    def __init__(self, model_path: Path, *, device: str = "cpu") -> None:
        """
        Args:
            model_path: `models/weights/speakers.onnx`.
            device: "cpu" or "cuda".

        Raises:
            ModelMissingError: there is no such file.
        """
        self._session = LateSession(model_path, "voices", device=device)

    def embed(self, windows: Sequence[Array]) -> Array:
        """The voice of each window, as vectors of length 1 in which the same voice lies close.

        Args:
            windows: [N] each, float32 mono at 16 kHz, all of one length of 0.4 s or more. A silent
                one gives zeros.

        Returns:
            [windows, D] float32.

        Raises:
            ModelCorruptError: the file cannot be read.
            DeviceUnavailableError: CUDA is wanted and not there.
            ValueError: a window is too short.
        """
        if any(len(window) < MIN_WINDOW_S * SAMPLE_RATE for window in windows):
            raise ValueError(f"a window needs {MIN_WINDOW_S} s at least")
        voiced = np.array([float(np.max(np.abs(window))) >= _SILENCE_PEAK for window in windows])
        frames = np.stack([mel_frames(window) for window in windows])
        found: Array = self._session.opened().run(["voices"], {"frames": frames})[0]
        return np.asarray(found * voiced[:, None], np.float32)
