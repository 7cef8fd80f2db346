"""The graph of the decoder: tokens and caches in, the most likely next tokens out.

Pre-norm layers, rotary positions on a part of a head's dimensions, a gated SiLU feed-forward.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from streamer.models.moonshine.config import TINY, MoonshineConfig, cache_names
from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.moonshine.graph_parts import (
    cache_inputs,
    product,
    rotary_tables,
    self_attention,
)
from streamer.models.onnx.graph_builder import MICROSOFT, GraphBuilder, Products, tensor


def _layer(
    build: GraphBuilder, decoder: DecoderWeights, config: MoonshineConfig, layer: int, x: str
) -> tuple[str, str]:
    """One layer; gives its output and its cross-attention weights [B, H, T, S]."""
    stack = config.decoder

    def times(value: str, name: str, output: str) -> str:
        return product(build, value, decoder.products[f"{layer}.{name}"], f"{layer}/{output}")

    normed = build.layer_norm(x, decoder.gains[f"{layer}.self"], f"{layer}/normed")
    weights = [decoder.products[f"{layer}.self.{part}"].weight for part in "qkv"]
    mixed = self_attention(
        build, normed, weights, layer, stack, rotary_dim=config.rotated, mask="self_mask"
    )
    out = times(mixed, "self.o", "self/out")
    x = build.add("Add", [x, out], f"{layer}/after_self")

    normed = build.layer_norm(x, decoder.gains[f"{layer}.cross"], f"{layer}/cross/normed")
    query = times(normed, "cross.q", "cross/q")
    query = build.heads(query, stack.n_heads, stack.head_dim, f"{layer}/cross/q/heads")
    keys, values = (f"cross.{layer}.{part}" for part in ("key", "value"))
    scale = stack.head_dim**-0.5
    mixed, attention = build.attend(query, keys, values, "cross_mask", scale, f"{layer}/cross")
    out = times(mixed, "cross.o", "cross/out")
    x = build.add("Add", [x, out], f"{layer}/after_cross")

    normed = build.layer_norm(x, decoder.gains[f"{layer}.mlp"], f"{layer}/mlp/normed")
    flat = times(normed, "mlp.wide", "mlp/wide")
    hidden, gate = f"{layer}/mlp/hidden", f"{layer}/mlp/gate"
    build.split(flat, [hidden, gate], [stack.d_mlp, stack.d_mlp])
    gate = build.add("QuickGelu", [gate], f"{layer}/mlp/silu", MICROSOFT, alpha=1.0)
    hidden = build.add("Mul", [gate, hidden], f"{layer}/mlp/gated")
    out = times(hidden, "mlp.narrow", "mlp/out")
    return build.add("Add", [x, out], f"{layer}/out"), attention


def _last_tokens(build: GraphBuilder, value: str, output: str) -> str:
    """The last `n_scored` of [B, T, …]."""
    end = build.constant("end", np.array([np.iinfo(np.int64).max], np.int64))
    axis = build.constant("axis_1", np.array([1], np.int64))
    return build.add("Slice", [value, "first_scored", end, axis], output)


def build_step(
    decoder: DecoderWeights,
    target: Path,
    products: Products = "rows",
    config: MoonshineConfig = TINY,
) -> None:
    """Write the graph of one decoder pass over one or more tokens.

    Inputs: `tokens`, `positions [B, T]` int64, `past.<layer>.{key,value} [B, H, P, D]`,
    `self_mask [B, 1, T, P + T]`, `cross.<layer>.{key,value} [A, H, S, D]`, `cross_mask [A, 1, 1,
    S]` with A = B or 1, `n_scored`, `n_best [1]` int64. Outputs, for the last L = `n_scored`
    tokens: `logprobs [B, L, V]` of what follows, `tokens_best`, `logprobs_best [B, L, n_best]`
    the best of them, best first; `alignment [B, L, S]`, the mean cross-attention of
    the alignment heads; and `new.<layer>.{key,value} [B, H, T, D]`.
    """
    build = GraphBuilder(products)
    rotary_tables(build, config)
    x = build.gather_rows(decoder.embedding, "tokens", "embedded")

    picked = []
    for layer in range(config.decoder.n_layers):
        x, attention = _layer(build, decoder, config, layer, x)
        wanted = [head for at, head in config.alignment_heads if at == layer]
        if wanted:
            index = build.constant(f"{layer}/aligned", np.array(wanted, np.int64))
            picked.append(build.add("Gather", [attention, index], f"{layer}/picked", axis=1))
    build.add("Neg", ["n_scored"], "first_scored")
    x = _last_tokens(build, x, "scored")
    normed = build.layer_norm(x, decoder.gains["last"], "normed")
    logits = build.linear(normed, decoder.products["logits"].weight, "logits")
    logprobs = build.add("LogSoftmax", [logits], "logprobs", axis=-1)
    build.nodes.append(
        helper.make_node("TopK", [logprobs, "n_best"], ["logprobs_best", "tokens_best"], axis=-1)
    )
    together = build.add("Concat", picked, "alignment/heads", axis=1)
    axis = build.constant("axis_1", np.array([1], np.int64))
    mean = build.add("ReduceMean", [together, axis], "alignment/mean", keepdims=0)
    _last_tokens(build, mean, "alignment")

    inputs = [
        tensor("tokens", ["B", "T"], TensorProto.INT64),
        tensor("positions", ["B", "T"], TensorProto.INT64),
        tensor("self_mask", ["B", 1, "T", "P + T"]),
        tensor("cross_mask", ["A", 1, 1, "S"]),
        tensor("n_scored", [1], TensorProto.INT64),
        tensor("n_best", [1], TensorProto.INT64),
        *cache_inputs("past", config.decoder, "B", "P"),
        *cache_inputs("cross", config.decoder, "A", "S"),
    ]
    outputs = {"tokens_best": TensorProto.INT64}
    floats = ["logprobs", "logprobs_best", "alignment", *cache_names("new", config.decoder)]
    build.save(target, inputs, outputs | dict.fromkeys(floats, TensorProto.FLOAT))
