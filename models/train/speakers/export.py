"""Writes the voice encoder of the package `resemblyzer` as one small ONNX file.

    pip download resemblyzer==0.1.4 --no-deps
    python -m streamer.models.train.speakers.export Resemblyzer-0.1.4-*.whl --out models/weights

Nothing is trained. Weights are stored as 16-bit floats and widened when the session loads. Needs
torch, to read them.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from streamer.models.speakers.features import N_BANDS

Array = npt.NDArray[np.float32]

_WEIGHTS: Final = "resemblyzer/pretrained.pt"
_HIDDEN: Final = 256
_LAYERS: Final = 3
_OPSET: Final = 17


def read_weights(wheel: Path) -> dict[str, Array]:
    """The weights in the wheel, by name.

    Raises:
        KeyError, zipfile.BadZipFile: this is not that package.
    """
    with zipfile.ZipFile(wheel) as package:
        stored = io.BytesIO(package.read(_WEIGHTS))
    state = torch.load(stored, map_location="cpu", weights_only=True)["model_state"]
    return {name: value.numpy() for name, value in state.items()}


def export_onnx(weights: Mapping[str, Array], path: Path) -> Path:
    """Frames [windows, T, 40] -> voices [windows, 256] of length 1; gives `path`."""
    nodes: list[onnx.NodeProto] = []
    stored: list[TensorProto] = []

    def weight(name: str, value: Array) -> str:
        half = numpy_helper.from_array(value.astype(np.float16), f"{name}/half")
        stored.append(half)
        nodes.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
        return name

    def axes(name: str, axis: int) -> str:
        stored.append(numpy_helper.from_array(np.array([axis], np.int64), name))
        return name

    nodes.append(helper.make_node("Transpose", ["frames"], ["steps/0"], perm=[1, 0, 2]))
    for layer in range(_LAYERS):
        names = [f"{part}_l{layer}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        ahead, back, *biases = (_gates(weights[f"lstm.{name}"]) for name in names)
        inputs = [
            f"steps/{layer}",
            weight(names[0], ahead[None]),
            weight(names[1], back[None]),
            weight(f"biases_l{layer}", np.concatenate(biases)[None]),
        ]
        last = layer == _LAYERS - 1
        outputs = ["", "newest/all"] if last else [f"states/{layer}"]
        nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=_HIDDEN))
        if not last:
            squeezed = [f"states/{layer}", axes(f"direction/{layer}", 1)]
            nodes.append(helper.make_node("Squeeze", squeezed, [f"steps/{layer + 1}"]))
    nodes += [
        helper.make_node("Squeeze", ["newest/all", axes("direction/last", 0)], ["newest"]),
        helper.make_node(
            "Gemm",
            [
                "newest",
                weight("linear", weights["linear.weight"]),
                weight("shift", weights["linear.bias"]),
            ],
            ["projected"],
            transB=1,
        ),
        helper.make_node("Relu", ["projected"], ["positive"]),
        helper.make_node("LpNormalization", ["positive"], ["voices"], axis=1, p=2),
    ]
    frames = helper.make_tensor_value_info(
        "frames", TensorProto.FLOAT, ["windows", "frames", N_BANDS]
    )
    voices = helper.make_tensor_value_info("voices", TensorProto.FLOAT, ["windows", _HIDDEN])
    graph = helper.make_graph(nodes, "speakers", [frames], [voices], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
    onnx.save(model, path)
    return path


def _gates(value: Array) -> Array:
    """From torch's order (input, forget, cell, output) to that of ONNX."""
    entered, forgotten, cell, told = np.split(value, 4)
    return np.concatenate([entered, told, forgotten, cell])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="the package as it was downloaded")
    parser.add_argument("--out", type=Path, required=True, help="the folder of weights")
    options = parser.parse_args()
    export_onnx(read_weights(options.wheel), options.out / "speakers.onnx")


if __name__ == "__main__":
    main()
