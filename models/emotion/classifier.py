"""The emotion classifier at run time: raw samples in, calibrated probabilities out.

The ONNX graph holds everything (loudness, low-pass, network, certainty), so that this module
needs only numpy and ONNX Runtime. It runs beside the ASR encoder and shares nothing with it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.onnx.runtime import open_session

LABELS: Final = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
MIN_WINDOW_S: Final = 0.4
TELLING_S: Final = 0.8
"""A clip shorter than this tells nothing."""
_SILENCE_PEAK: Final = 1e-4
"""-80 dBFS; the quietest speech this was tried on peaks above it."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EmotionScores:
    """Probabilities of the named classes; they sum to 1."""

    probs: dict[str, float]

    @property
    def best(self) -> str:
        """The likeliest class."""
        return max(self.probs, key=lambda name: self.probs[name])


@dataclass(frozen=True)
class EmotionFeatures:
    """What a fusion takes: scores and the states behind them.

    `frames` is float32 [T, D], T about 41.7 a second; every frame counts, there is no padding.
    """

    scores: EmotionScores
    frames: Samples


@dataclass(frozen=True)
class ClipOptions:
    """How a long clip is cut."""

    max_window_s: float = 6.0
    """Up to this length a clip is one window."""
    window_s: float = 3.0
    """Length of the windows of a longer clip."""
    hop_s: float = 1.5

    def __post_init__(self) -> None:
        if not MIN_WINDOW_S <= self.window_s <= self.max_window_s:
            raise ValueError(f"window_s must lie between {MIN_WINDOW_S} and max_window_s")
        if not 0 < self.hop_s <= self.window_s:
            raise ValueError("hop_s must lie above 0 and not above window_s")


class EmotionModel(ABC):
    """What tells an emotion from speech, whatever network is behind it."""

    shown_from: Mapping[str, float] = MappingProxyType({})
    """Classes that may be shown from another probability on than `SHOWN_FROM`."""

    def __init__(self, labels: Sequence[str], options: ClipOptions | None) -> None:
        self.labels = tuple(labels)
        self._options = options or ClipOptions()

    @property
    @abstractmethod
    def name(self) -> str:
        """What the model calls itself."""

    def predict(self, samples: Samples) -> EmotionScores:
        """Scores one window.

        Args:
            samples: [N] float32 mono at 16 kHz in [-1, 1], 0.4 s or longer. More than
                `max_window_s` is cut into windows that overlap, their log-probabilities averaged.
                Silence gives every class the same share.

        Raises:
            ValueError: not one channel of finite numbers, or too short.
        """
        _check(samples, MIN_WINDOW_S)
        if float(np.max(np.abs(samples))) < _SILENCE_PEAK:
            return self._named(np.ones(len(self.labels), np.float32))
        if len(samples) <= self._options.max_window_s * SAMPLE_RATE:
            return self._named(self._probabilities(samples))
        rows = np.stack([self._probabilities(window) for window in self._windows(samples)])
        logs = np.log(np.maximum(rows, 1e-8)).mean(axis=0)
        return self._named(np.exp(logs - logs.max()))

    def classify_clip(self, samples: Samples) -> EmotionScores:
        """Scores a whole clip.

        Args:
            samples: [N] float32 mono at 16 kHz, any length. What is shorter than `TELLING_S` gives
                every class the same share.

        Raises:
            ValueError: empty, silent, or not one channel of finite numbers.
        """
        _check(samples, 0.0)
        if len(samples) == 0:
            raise ValueError("the clip is empty: there is no emotion to tell")
        if float(np.max(np.abs(samples))) < _SILENCE_PEAK:
            raise ValueError("the clip is silent: there is no emotion to tell")
        if len(samples) < TELLING_S * SAMPLE_RATE:
            return self._named(np.ones(len(self.labels), np.float32))
        return self.predict(samples)

    batched = False
    """Whether many windows at once cost hardly more than one, as on a card."""

    def probabilities_together(self, windows: Sequence[Samples]) -> Sequence[Samples | Exception]:
        """`[C]` of each window `[N]`, in the order of `labels`; or why it alone has none."""
        return [self._probabilities(window) for window in windows]

    @abstractmethod
    def _probabilities(self, samples: Samples) -> Samples:
        """One window [N] -> [C], in the order of `labels`."""

    def _windows(self, samples: Samples) -> Samples:
        """[N] -> [windows, n]; the last one ends with the clip, silent ones are left out."""
        length = int(self._options.window_s * SAMPLE_RATE)
        hop = int(self._options.hop_s * SAMPLE_RATE)
        starts = [*range(0, len(samples) - length, hop), len(samples) - length]
        windows = np.stack([samples[start : start + length] for start in starts])
        loud = np.max(np.abs(windows), axis=1) >= _SILENCE_PEAK
        return windows[loud] if loud.any() else windows

    def _named(self, probabilities: Samples) -> EmotionScores:
        # In float64 the sum is 1 to the last digits, whatever float32 left over.
        wide = probabilities.astype(np.float64)
        wide /= wide.sum()
        return EmotionScores(dict(zip(self.labels, wide.tolist(), strict=True)))


class EmotionClassifier(EmotionModel):
    """The project's own model: one ONNX Runtime session; safe to call from several threads."""

    def __init__(
        self,
        model_path: Path,
        *,
        threads: int = 1,
        device: str = "cpu",
        options: ClipOptions | None = None,
    ) -> None:
        """Loads the model.

        Args:
            model_path: `models/weights/emotion.onnx` or one trained by the recipe.
            threads: of one call, at least 1.
            device: "cpu" or "cuda".
            options: how long clips are cut.

        Raises:
            ModelMissingError: there is no such file.
            ModelCorruptError: the file cannot be read or is another model.
            DeviceUnavailableError: CUDA is wanted and not there.
            ValueError: an unknown device or no threads.
        """
        super().__init__(LABELS, options)
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        if not Path(model_path).is_file():
            raise ModelMissingError(f"there is no emotion model at {model_path}")
        try:
            self._session = open_session(Path(model_path), threads=threads, device=device)
        except (ort_state.Fail, ort_state.InvalidGraph, ort_state.InvalidProtobuf) as error:
            raise ModelCorruptError(f"{model_path} is not a model that can be loaded") from error
        self.metadata: Mapping[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        if self.metadata.get("labels", "").split(",") != list(LABELS):
            raise ModelCorruptError(f"{model_path} is not an emotion model of this project")
        self.shown_from = json.loads(self.metadata.get("shown_from", "{}"))

    @property
    def name(self) -> str:
        return "emotion"

    @property
    def providers(self) -> list[str]:
        """Where it runs, as ONNX Runtime names it."""
        return list(self._session.get_providers())

    def features(self, samples: Samples) -> EmotionFeatures:
        """Scores one window and gives the network's states for a fusion.

        Args:
            samples: as for `predict`, at most `max_window_s`.

        Raises:
            ValueError: as for `predict`, or too long.
        """
        _check(samples, MIN_WINDOW_S)
        if len(samples) > self._options.max_window_s * SAMPLE_RATE:
            raise ValueError(f"a window has at most {self._options.max_window_s} s")
        feed = {"samples": np.ascontiguousarray(samples[None], np.float32)}
        probabilities, frames = self._session.run(["probabilities", "frames"], feed)
        return EmotionFeatures(self._named(probabilities[0]), frames[0])

    def _probabilities(self, samples: Samples) -> Samples:
        feed = {"samples": np.ascontiguousarray(samples[None], np.float32)}
        found: Samples = self._session.run(["probabilities"], feed)[0][0]
        return found


def _check(samples: Samples, min_s: float) -> None:
    if samples.ndim != 1:
        raise ValueError(f"one channel [N] is wanted, not an array of shape {samples.shape}")
    if len(samples) < min_s * SAMPLE_RATE:
        raise ValueError(f"a window needs {min_s} s at least, not {len(samples) / SAMPLE_RATE:.3f}")
    if not np.isfinite(samples).all():
        raise ValueError("the samples hold a value that is not a finite number")
