"""Silero voice activity detection: the probability of speech in each 32 ms frame."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np

from streamer.audio.arrays import Floats
from streamer.models.onnx.runtime import open_session

FRAME_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
STATE_SIZE: Final = 128


class Vad(Protocol):
    """The detector's model, whatever computes it."""

    def run(self, frames: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """`frames [N, 576]`, LSTM state `[1, 1, 128]` twice; gives probabilities `[N]`, state."""


class VadModel:
    """The weights; shared by all sessions, safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        """Open `silero_vad_16k_sequence.onnx`, which takes many frames in one call."""
        self._session = open_session(path, threads=1)

    def run(self, frames: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Vad`."""
        probs, h, c = self._session.run(None, {"input": frames, "h": h, "c": c})
        return probs, h, c


class VadStream:
    """One session's detector; keeps the recurrent state and the last 64 samples between calls."""

    def __init__(self, model: Vad) -> None:
        self._model = model
        self._h = np.zeros((1, 1, STATE_SIZE), np.float32)
        self._c = np.zeros((1, 1, STATE_SIZE), np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)

    def probabilities(self, samples: Floats) -> Floats:
        """Speech probability of each frame of `samples [N * 512]`, which follow the last call's.

        Raises:
            ValueError: the samples are not whole frames.
        """
        if len(samples) % FRAME_SAMPLES:
            raise ValueError(f"{len(samples)} samples are not whole frames of {FRAME_SAMPLES}")
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        joined = np.concatenate([self._context, samples])
        frames = np.lib.stride_tricks.sliding_window_view(joined, CONTEXT_SAMPLES + FRAME_SAMPLES)[
            ::FRAME_SAMPLES
        ]
        probs, self._h, self._c = self._model.run(np.ascontiguousarray(frames), self._h, self._c)
        self._context = joined[-CONTEXT_SAMPLES:].copy()
        return probs
