"""A fusion that `models/train/fusion` has trained, as its `export` wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.fusion.score import FusionWeights
from streamer.models.fusion.soft_tokens import LAYER_FILE, SoftTokenLayer
from streamer.models.llm.lora import LORA_FILE

SETTINGS_FILE: Final = "fusion.json"


@dataclass(frozen=True)
class TrainedFusion:
    """Weights of the decision, updates of the LLM, and the layer that lets it hear."""

    w_llm: float
    w_word: float
    emotion_in_context: bool
    heard: tuple[str, ...]
    lora: Path | None
    layer: SoftTokenLayer | None

    def weights(self, untrained: FusionWeights) -> FusionWeights:
        """What was trained in place of what was tuned."""
        return replace(
            untrained,
            llm=self.w_llm,
            word=self.w_word,
            emotion_in_context=self.emotion_in_context,
            heard=self.heard,
        )


def read_fusion(folder: Path, *, device: str = "cpu") -> TrainedFusion:
    """Open what is in `folder`.

    Raises:
        ModelMissingError: there is no trained fusion.
        ModelCorruptError: it is incomplete, or of a kind that only training knows.
    """
    path = folder / SETTINGS_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        inputs = settings["inputs"]
        return TrainedFusion(
            w_llm=float(settings["w_llm"]),
            w_word=float(settings["w_word"]),
            emotion_in_context=bool(inputs["label"]),
            heard=tuple(name for name in ("audio", "emotion") if inputs[name]),
            lora=_found(folder, LORA_FILE) if settings["lora"] else None,
            layer=_layer(folder, settings["layer"], device) if settings["layer"] else None,
        )
    except FileNotFoundError as error:
        raise ModelMissingError(
            f"there is no trained fusion in {folder}: no {path.name}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelCorruptError(f"{path} does not describe a trained fusion") from error


def _layer(folder: Path, settings: Mapping[str, Any], device: str) -> SoftTokenLayer:
    return SoftTokenLayer(
        _found(folder, LAYER_FILE),
        modalities=settings["weights_of"],
        attention_bias=settings["attention_bias"],
        device=device,
    )


def _found(folder: Path, file: str) -> Path:
    if not (folder / file).is_file():
        raise ModelCorruptError(f"{folder} is incomplete: {file} is missing")
    return folder / file
