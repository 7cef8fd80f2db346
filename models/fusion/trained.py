"""A fusion that `models/train/fusion` has trained, as its `export` wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from streamer.models.errors import ModelCorruptError, ModelError, ModelMissingError
from streamer.models.fusion.audio_aware import AudioInputs
from streamer.models.fusion.score import FusionWeights
from streamer.models.fusion.soft_tokens import LAYER_FILE, SoftTokenLayer
from streamer.models.onnx.lora import LORA_FILE
from streamer.models.store.catalog import MOONSHINE

SETTINGS_FILE: Final = "fusion.json"


@dataclass(frozen=True)
class TrainedFusion:
    """Weights of the decision, updates of the LLM, and what it gets beside the text."""

    w_llm: float
    w_word: float
    lora: Path | None
    inputs: AudioInputs | None
    """None: it only reads."""

    def weights(self, untrained: FusionWeights) -> FusionWeights:
        """What was trained in place of what was tuned."""
        return replace(untrained, llm=self.w_llm, word=self.w_word)


def read_fusion(folder: Path, *, speech_model: str, device: str = "cpu") -> TrainedFusion:
    """Open what is in `folder`.

    Args:
        speech_model: the name of the model whose states it would get.

    Raises:
        ModelMissingError: there is no trained fusion.
        ModelCorruptError: it is incomplete, or of a kind that only training knows.
        ModelError: it was trained on the states of another speech model.
    """
    trained = _read(folder, device)
    takes_audio = trained.inputs is not None and "audio" in trained.inputs.modalities
    if takes_audio and speech_model != MOONSHINE.name:
        raise ModelError(
            f"the fusion in {folder} was trained to hear {MOONSHINE.name}: leave it out, "
            f"or the speech model {speech_model}"
        )
    return trained


def _read(folder: Path, device: str) -> TrainedFusion:
    path = folder / SETTINGS_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return TrainedFusion(
            w_llm=float(settings["w_llm"]),
            w_word=float(settings["w_word"]),
            lora=_found(folder, LORA_FILE) if settings["lora"] else None,
            inputs=_inputs(folder, settings, device),
        )
    except FileNotFoundError as error:
        raise ModelMissingError(
            f"there is no trained fusion in {folder}: no {path.name}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelCorruptError(f"{path} does not describe a trained fusion") from error


def _inputs(folder: Path, settings: Mapping[str, Any], device: str) -> AudioInputs | None:
    given = settings["inputs"]
    modalities = tuple(name for name in ("audio", "emotion") if given[name])
    if not modalities and not given["label"]:
        return None
    layer = _layer(folder, settings["layer"], device) if settings["layer"] else None
    return AudioInputs(modalities, layer, bool(given["label"]))


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
