"""The decoder of Whisper as one graph that scores many texts in one pass.

CTranslate2 forces a decoder through given texts token by token, each text on its own. What is
asked here is a tree: the texts share their beginnings, so each token is computed once, all at the
same time.

The architecture is that of "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford
et al., 2022): pre-norm layers with self-attention, cross-attention and a GELU feed-forward;
learned positions; tied embedding.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
from onnx import TensorProto

from streamer.models.errors import ModelCorruptError
from streamer.models.onnx.graph_builder import (
    MICROSOFT,
    Array,
    GraphBuilder,
    QuantizedWeight,
    tensor,
)
from streamer.models.whisper.weights_file import WeightsFile

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.bin"

_LEAST: Final = 1e-12
"""Keeps the scale of a column of zeros from being zero."""
RULED_OUT: Final = -1e30
"""Logit of what may not be said, or seen."""


def build_judge(folder: Path, target: Path, *, integer: bool = True) -> None:
    """Write the graph of a folder's model (a second or two for Whisper base).

    Inputs: `states [1, P, D]`, `embedded [1, N, D]` (tokens with their positions), `mask [N, N]`
    (added to the attention among them), `asked [M]`, int64 rows of the tokens behind which
    something is scored, `pairs [E, 2]`, int64, a row of `asked` and the token that follows there.
    Output: `logprobs [E]`, nats.

    Args:
        folder: a model for CTranslate2; its configuration tells which tokens may not be said.
        integer: 8-bit matrix products, for CPUs; otherwise float32 ones.

    Raises:
        ModelCorruptError: the folder holds no Whisper for CTranslate2.
    """
    weights = WeightsFile(folder / WEIGHTS_FILE)
    decoder = _Decoder(weights, integer=integer)
    build = decoder.build
    x = "embedded"
    layer = 0
    while f"decoder/layer_{layer}/ffn/linear_0/weight" in weights:
        x = decoder.layer(f"decoder/layer_{layer}", x)
        layer += 1
    x = build.add("Gather", [x, "asked"], "scored", axis=1)
    x = decoder.norm("decoder/layer_norm", x)
    logits = decoder.product("decoder/projection/weight", x, "logits")
    n_tokens, width = weights.get("decoder/projection/weight").shape
    allowed = np.zeros(n_tokens, np.float32)
    allowed[_ruled_out(folder / CONFIG_FILE)] = RULED_OUT
    logits = build.add("Add", [logits, build.constant("allowed", allowed)], "logits/allowed")
    every = build.add("LogSoftmax", [logits], "logprobs/every", axis=-1)
    first = build.constant("axis_0", np.array([0], np.int64))
    build.add("GatherND", [build.add("Squeeze", [every, first], "rows"), "pairs"], "logprobs")
    inputs = [
        tensor("states", [1, "P", width]),
        tensor("embedded", [1, "N", width]),
        tensor("mask", ["N", "N"]),
        tensor("asked", ["M"], TensorProto.INT64),
        tensor("pairs", ["E", 2], TensorProto.INT64),
    ]
    build.save(target, inputs, {"logprobs": TensorProto.FLOAT})


class _Decoder:
    """Writes the layers; values are named after the weights that they come from."""

    def __init__(self, weights: WeightsFile, *, integer: bool) -> None:
        self.build = GraphBuilder("rows" if integer else "float")
        self._weights = weights
        self._integer = integer
        self._n_heads = int(weights.get("decoder/num_heads"))

    def layer(self, at: str, x: str) -> str:
        """One layer, with what goes past its three parts."""
        own, cross, wide = (f"{at}/{part}" for part in ("self_attention", "attention", "ffn"))

        normed = self.norm(f"{own}/layer_norm", x)
        query, key, value = self._heads(f"{own}/linear_0", 3, normed)
        mixed = self._attended(own, (query, key, value), "mask")
        x = self._added(x, self._linear(f"{own}/linear_1", mixed), own)

        normed = self.norm(f"{cross}/layer_norm", x)
        (query,) = self._heads(f"{cross}/linear_0", 1, normed)
        key, value = self._heads(f"{cross}/linear_1", 2, "states")
        mixed = self._attended(cross, (query, key, value), None)
        x = self._added(x, self._linear(f"{cross}/linear_2", mixed), cross)

        hidden = self._linear(f"{wide}/linear_0", self.norm(f"{wide}/layer_norm", x))
        hidden = self.build.add("Gelu", [hidden], f"{wide}/gelu", MICROSOFT)
        return self._added(x, self._linear(f"{wide}/linear_1", hidden), wide)

    def norm(self, name: str, value: str) -> str:
        gain, shift = (self._weights.floats(f"{name}/{part}") for part in ("gamma", "beta"))
        return self.build.layer_norm(value, gain, f"{name}/out", shift)

    def product(self, name: str, value: str, output: str, bias: Array | None = None) -> str:
        """`value @ weight + bias`; in 8 bits, a column of the weight has one scale."""
        matrix = self._weights.floats(name).T
        if not self._integer:
            return self.build.linear_in_floats(value, matrix, output, bias)
        scale = np.maximum(np.abs(matrix).max(axis=0), _LEAST) / 127
        codes = np.round(matrix / scale).astype(np.int8)
        weight = QuantizedWeight(codes, scale, np.zeros(len(scale), np.int8))
        return self.build.linear(value, weight, output, bias)

    def _heads(self, name: str, parts: int, value: str) -> list[str]:
        """Queries, keys or values, as many as lie beside each other in one matrix, by head."""
        n_heads = parts * self._n_heads
        head_dim = self._weights.get(f"{name}/bias").shape[0] // n_heads
        together = self.build.heads(self._linear(name, value), n_heads, head_dim, f"{name}/heads")
        if parts == 1:
            return [together]
        names = [f"{name}/part{part}" for part in range(parts)]
        self.build.split(together, names, [self._n_heads] * parts, axis=1)
        return names

    def _attended(self, name: str, heads: tuple[str, str, str], mask: str | None) -> str:
        width = self._weights.get(f"{name}/layer_norm/gamma").shape[0]
        mixed, _ = self.build.attend(*heads, mask, (width // self._n_heads) ** -0.5, name)
        return mixed

    def _linear(self, name: str, value: str) -> str:
        bias = self._weights.floats(f"{name}/bias")
        return self.product(f"{name}/weight", value, f"{name}/out", bias)

    def _added(self, x: str, change: str, name: str) -> str:
        return self.build.add("Add", [x, change], f"{name}/added")


def _ruled_out(config: Path) -> list[int]:
    try:
        return [int(token) for token in json.loads(config.read_text("utf-8"))["suppress_ids"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelCorruptError(f"{config} is no configuration of a Whisper ({error})") from error
