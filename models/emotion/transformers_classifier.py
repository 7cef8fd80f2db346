"""Any audio-classification model of the transformers library as the emotion model.

For people with a GPU or a favourite: wav2vec2, HuBERT, WavLM, Whisper and the like, fine-tuned on
emotions. Their classes go by many names; those that mean one of
`LABELS` are given its name, what is left (surprise, boredom, "other") counts as `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, ClipOptions, EmotionModel, Samples
from streamer.models.emotion.track import UNKNOWN
from streamer.models.errors import ModelCorruptError, opening
from streamer.models.onnx.runtime import require_torch_device

_STEMS: Final = {
    "neu": "neutral",
    "calm": "neutral",
    "hap": "happy",
    "joy": "happy",
    "sad": "sad",
    "ang": "angry",
    "fea": "fearful",
    "fearful": "fearful",
    "dis": "disgust",
}
"""First letters of a class's name -> ours; hubs hold `ang`, `anger`, `angry`, `Anger`, ..."""
_NOT_OURS: Final = ("disappoint", "dissatis", "distress")


class TransformersEmotion(EmotionModel):
    """One model and its feature extractor; safe to call from several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        device: str = "cpu",
        options: ClipOptions | None = None,
    ) -> None:
        """Loads the model.

        Args:
            folder: with `config.json`, `preprocessor_config.json` and the weights.
            name: what to call it; else the folder.
            device: "cpu" or "cuda".
            options: how long clips are cut.

        Raises:
            ModelMissingError: a file is not in the folder.
            ModelCorruptError: it is no audio classifier at 16 kHz, or knows no emotion of ours.
            DeviceUnavailableError: CUDA is wanted and not there.
        """
        # Seconds of imports, only for those who ask for such a model.
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        name = name or str(folder)
        require_torch_device(device)
        with opening(name, "a model that classifies audio"):
            self._extract: Any = AutoFeatureExtractor.from_pretrained(
                folder, trust_remote_code=False
            )
            model: Any = AutoModelForAudioClassification.from_pretrained(
                folder, trust_remote_code=False
            )
        if self._extract.sampling_rate != SAMPLE_RATE:
            raise ModelCorruptError(
                f"{name} hears {self._extract.sampling_rate} Hz; {SAMPLE_RATE} Hz is needed"
            )
        self._columns = columns(model.config.id2label)
        if not (self._columns < len(LABELS)).any():
            classes = ", ".join(model.config.id2label.values())
            raise ModelCorruptError(f"{name} tells {classes}: none of {', '.join(LABELS)}")
        known = [*LABELS, UNKNOWN] if (self._columns == len(LABELS)).any() else LABELS
        super().__init__(known, options)
        self._name, self._device = name, device
        self._model = model.to(device).eval()

    @property
    def name(self) -> str:
        return self._name

    def _probabilities(self, samples: Samples) -> Samples:
        import torch

        inputs = self._extract(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**inputs.to(self._device)).logits[0].float()
            shares = logits.softmax(dim=-1).cpu().numpy()
        summed = np.zeros(len(self.labels), np.float32)
        np.add.at(summed, self._columns, shares)
        return summed


def columns(id2label: Mapping[int, str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each of the model's classes goes: an index into LABELS, or its length for `unknown`."""
    return np.array([_column(id2label[index]) for index in sorted(id2label)], np.int64)


def _column(name: str) -> int:
    plain = name.strip().lower().removeprefix("emotion_").removeprefix("label_")
    if not plain.startswith(_NOT_OURS):
        for stem, label in _STEMS.items():
            if plain.startswith(stem):
                return LABELS.index(label)
    return len(LABELS)
