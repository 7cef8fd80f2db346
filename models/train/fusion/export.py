"""Writes a trained fusion for the run time, which has no torch:

* `fusion.onnx`        the fusion layer: each modality's `NAME [T, d]` and `NAME.mask [T]` to
                       `tokens [S, D]`, `mask [S]`, `weights [S, M]`
* `lora.safetensors`   the LLM's updates, for `streamer.models.onnx.lora.merge_lora`
* `fusion.json`        weights of the decision, and how the tokens stand in the LLM's input
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from streamer.models.fusion.soft_tokens import LAYER_FILE
from streamer.models.fusion.trained import SETTINGS_FILE
from streamer.models.onnx.lora import LORA_FILE
from streamer.models.train.fusion.layer import FusionLayer
from streamer.models.train.fusion.modalities import Features
from streamer.models.train.fusion.score import ASKING_TOKENS, FusedScorer, Inputs
from streamer.models.train.fusion.strategies import Strategy

_OPSET: Final = 17


class _OneRow(nn.Module):
    """The layer without a batch, its mapping spelled out."""

    def __init__(self, layer: FusionLayer, names: Sequence[str]) -> None:
        super().__init__()
        self.layer = layer
        self._names = tuple(names)

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pairs = zip(given[::2], given[1::2], strict=True)
        features = [Features(values.unsqueeze(0), mask.unsqueeze(0)) for values, mask in pairs]
        soft = self.layer(dict(zip(self._names, features, strict=True)))
        return soft.tokens[0], soft.mask[0], soft.weights[0]


def export_layer(layer: FusionLayer, path: Path) -> None:
    """Write the layer as a graph. A missing modality is one frame of anything, masked."""
    layer.eval()
    modalities = [m for m in layer.config.modalities if m.name in layer.encoders]
    inputs: list[Tensor] = []
    names: list[str] = []
    axes: dict[str, dict[int, str]] = {}
    for index, modality in enumerate(modalities):
        n_frames = 13 + index
        inputs += [torch.randn(n_frames, modality.width), torch.ones(n_frames, dtype=torch.bool)]
        for name in (modality.name, f"{modality.name}.mask"):
            names.append(name)
            axes[name] = {0: f"{modality.name}_frames"}
    outputs = ["tokens", "mask", "weights"]
    axes.update({name: {0: "n_tokens"} for name in outputs})
    with warnings.catch_warnings():
        # The exporter it recommends needs a further package; the sizes traced are fixed.
        warnings.simplefilter("ignore", DeprecationWarning)
        for traced in (FusionLayer, Strategy):
            warnings.filterwarnings("ignore", category=UserWarning, module=traced.__module__)
        torch.onnx.export(
            # The exporter gives the wrapper its own mode back, and the layer in it.
            _OneRow(layer, [m.name for m in modalities]).eval(),
            tuple(inputs),
            str(path),
            input_names=names,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def export_fusion(model: FusedScorer, inputs: Inputs, folder: Path) -> None:
    """Write all that was trained into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "inputs": asdict(inputs),
        "w_llm": model.w_llm.item(),
        "w_word": model.w_word.item(),
        "lora": bool(model.llm.lora_state()),
        "layer": None,
    }
    if model.layer is not None:
        export_layer(model.layer, folder / LAYER_FILE)
        settings["layer"] = {
            "strategy": model.layer.config.strategy,
            "stages": model.layer.config.stages,
            "weights_of": model.layer.names,
            "attention_bias": model.attention_bias.item(),
            "asking_tokens": ASKING_TOKENS,
        }
    if settings["lora"]:
        save_file(model.llm.lora_state(), folder / LORA_FILE)
    text = json.dumps(settings, indent=2) + "\n"
    (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")
