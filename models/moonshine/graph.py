"""Rebuild Moonshine tiny from the ONNX Runtime files that its package ships.

The shipped encoder starts anew on every window, and the shipped decoder is one merged graph of
1,800 nodes that hides its cross-attention and copies the audio's keys and values through every
call. Streaming needs neither. This module reads the files, keeps the 8-bit weights to the bit, and
writes three small ONNX graphs:

* `stem.onnx`    new samples -> outputs of the second convolution, and the sums that normalize them
* `encode.onnx`  those -> encoder states of the newest frames behind the kept keys and values of
                 older ones, and the keys and values that the decoder's cross-attention wants
* `step.onnx`    tokens + caches -> most likely next tokens, grown caches, place in the audio

The architecture is that of "Moonshine: Speech Recognition for Live Transcription and Voice
Commands" (Jeffries et al., 2024): three strided convolutions, a group norm over the whole window
behind the first; pre-norm layers, rotary positions on 32 of 36 dimensions of a head; a GELU
feed-forward in the encoder, a gated SiLU one in the decoder; tied embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from onnx import TensorProto, helper

from streamer.models.moonshine.decoder_weights import DecoderWeights, bias, gain, matrix
from streamer.models.moonshine.tokenizer import (
    ALIGNMENT_HEADS,
    ENCODE_FILE,
    HEAD_DIM,
    N_HEADS,
    N_LAYERS,
    STEM_FILE,
    STEP_FILE,
    cache_names,
)
from streamer.models.onnx.graph_builder import (
    MICROSOFT,
    GraphBuilder,
    Products,
    QuantizedWeight,
    beside,
    tensor,
)
from streamer.models.onnx.ort_file import ShippedGraph

D_MODEL: Final = N_HEADS * HEAD_DIM
D_STEM: Final = 576
D_MLP: Final = 1152
ROTARY_DIM: Final = 32
ROTARY_BASE: Final = 10_000.0
MAX_POSITIONS: Final = 2_048

_SCALE: Final = HEAD_DIM**-0.5


def _rotary_tables(build: GraphBuilder) -> None:
    """cos and sin of every position, each [MAX_POSITIONS, ROTARY_DIM / 2]."""
    exponents = np.arange(0, ROTARY_DIM, 2, dtype=np.float64) / ROTARY_DIM
    angles = np.outer(np.arange(MAX_POSITIONS), ROTARY_BASE**-exponents)
    build.constant("rotary_cos", np.cos(angles).astype(np.float32))
    build.constant("rotary_sin", np.sin(angles).astype(np.float32))


def _self_attention(
    build: GraphBuilder, x: str, weights: list[QuantizedWeight], layer: int, mask: str | None
) -> str:
    """Attention of `x [B, T, D_MODEL]` to `past.<layer>` and itself; the layer's new keys and
    values become `new.<layer>.{key,value}`. Gives the merged heads."""
    flat = build.linear(x, beside(weights), f"{layer}/qkv")
    heads = build.heads(flat, 3 * N_HEADS, HEAD_DIM, f"{layer}/qkv/heads")
    build.split(heads, [f"{layer}/qk", f"new.{layer}.value"], [2 * N_HEADS, N_HEADS], axis=1)
    rotated = build.add(
        "RotaryEmbedding",
        [f"{layer}/qk", "positions", "rotary_cos", "rotary_sin"],
        f"{layer}/qk/rotated",
        MICROSOFT,
        interleaved=1,
        num_heads=2 * N_HEADS,
        rotary_embedding_dim=ROTARY_DIM,
    )
    build.split(rotated, [f"{layer}/q", f"new.{layer}.key"], [N_HEADS, N_HEADS], axis=1)
    keys, values = (
        build.add(
            "Concat", [f"past.{layer}.{part}", f"new.{layer}.{part}"], f"{layer}/{part}s", axis=2
        )
        for part in ("key", "value")
    )
    merged, _ = build.attend(f"{layer}/q", keys, values, mask, _SCALE, f"{layer}/self")
    return merged


def build_stem(encoder: ShippedGraph, target: Path) -> None:
    """Write the graph of the first two convolutions.

    `samples [B, 192 (J - 1) + 511]` -> `bands [B, 576, J]`, the second convolution without what the
    group norm contributes, and `sums`, `squares [B, 3 J + 4]`, over the channels of the first one.
    The norm is affine and both convolutions are without padding, so it can be put in
    behind the second: conv(g (y - m) / s + b) = conv(g y) / s - m / s conv(g) + conv(b).
    """
    build = GraphBuilder("float")
    axis = build.constant("axis_1", np.array([1], np.int64))
    x = build.add("Unsqueeze", ["samples", axis], "mono")
    first = build.constant("conv1", encoder.weight("conv1.weight_add_tensor"))
    x = build.add("Conv", [x, first], "conv1/out", strides=[64])
    x = build.add("Tanh", [x], "tanh")
    build.add("ReduceSum", [x, axis], "sums", keepdims=0)
    build.add("ReduceSumSquare", [x, axis], "squares", keepdims=0)
    gain = encoder.weight(encoder.node("/groupnorm/Mul_output_0", "Mul").inputs[1])
    second = build.constant("conv2", encoder.weight("conv2.weight_add_tensor") * gain)
    build.add("Conv", [x, second], "bands", strides=[3])
    outputs = dict.fromkeys(("bands", "sums", "squares"), TensorProto.FLOAT)
    build.save(target, [tensor("samples", ["B", "N"])], outputs)


def _features(build: GraphBuilder, encoder: ShippedGraph) -> str:
    """Norm, third convolution: `bands [B, 576, 2 F + 1]` -> [B, F, 288]."""
    kernel = encoder.weight("conv2.weight_add_tensor")
    gain = encoder.weight(encoder.node("/groupnorm/Mul_output_0", "Mul").inputs[1])
    shift = encoder.weight(encoder.node("/groupnorm/Add_output_0", "Add").inputs[1])
    of_gain = build.constant("conv2_of_gain", (kernel * gain).sum(axis=(1, 2))[None, :, None])
    of_shift = (kernel * shift).sum(axis=(1, 2)) + encoder.weight("conv2.bias")
    x = build.add("Mul", ["bands", "inverse_deviation"], "bands/scaled")
    offset = build.add("Mul", ["mean", "inverse_deviation"], "offset")
    offset = build.add("Mul", [of_gain, offset], "offset/of_gain")
    x = build.add("Sub", [x, offset], "bands/centred")
    x = build.add("Add", [x, build.constant("of_shift", of_shift[None, :, None])], "bands/normed")
    x = build.add("Gelu", [x], "bands/gelu", MICROSOFT)
    third = build.constant("conv3", encoder.weight("conv3.weight_add_tensor"))
    bias = build.constant("conv3/bias", encoder.weight("conv3.bias"))
    x = build.add("Conv", [x, third, bias], "conv3/out", strides=[2])
    x = build.add("Gelu", [x], "conv3/gelu", MICROSOFT)
    return build.add("Transpose", [x], "features", perm=[0, 2, 1])


def _encoder_layer(build: GraphBuilder, encoder: ShippedGraph, layer: int, x: str) -> str:
    at = f"/layers.{layer}"
    scale = gain(encoder, f"{at}/input_layernorm/LayerNormalization_output_0")
    normed = build.layer_norm(x, scale, f"{layer}/normed")
    weights = [matrix(encoder, f"{at}/self_attn/{p}_proj/MatMul_output_0") for p in "qkv"]
    mixed = _self_attention(build, normed, weights, layer, None)
    out = build.linear(
        mixed, matrix(encoder, f"{at}/self_attn/o_proj/MatMul_output_0"), f"{layer}/self/out"
    )
    x = build.add("Add", [x, out], f"{layer}/after_self")
    scale = gain(encoder, f"{at}/post_attention_layernorm/LayerNormalization_output_0")
    normed = build.layer_norm(x, scale, f"{layer}/mlp/normed")
    wide, narrow = (f"{at}/mlp/{name}/Add_output_0" for name in ("fc1", "fc2"))
    hidden = build.linear(normed, matrix(encoder, wide), f"{layer}/mlp/wide", bias(encoder, wide))
    hidden = build.add("Gelu", [hidden], f"{layer}/mlp/gelu", MICROSOFT)
    out = build.linear(hidden, matrix(encoder, narrow), f"{layer}/mlp/out", bias(encoder, narrow))
    return build.add("Add", [x, out], f"{layer}/out")


def build_encode(
    encoder: ShippedGraph,
    decoder: DecoderWeights,
    target: Path,
    products: Products = "pass",
) -> None:
    """Write the graph of the encoder's layers and the decoder's view of their output.

    Inputs: `bands [B, 576, 2 F + 1]`, `mean`, `inverse_deviation [B, 1, 1]`, `positions [B, F]`
    int64, `past.<layer>.{key,value} [B, H, P, D]`. Outputs: `states [B, F, 288]`, and `new.…` and
    `cross.<layer>.{key,value} [B, H, F, D]`.
    """
    build = GraphBuilder(products)
    _rotary_tables(build)
    x = _features(build, encoder)
    for layer in range(N_LAYERS):
        x = _encoder_layer(build, encoder, layer, x)
    scale = gain(encoder, "last_hidden_state", 2)
    states = build.layer_norm(x, scale, "states")
    for layer in range(N_LAYERS):
        weights = [decoder.products[f"{layer}.cross.{part}"].weight for part in "kv"]
        flat = build.linear(states, beside(weights), f"{layer}/cross")
        heads = build.heads(flat, 2 * N_HEADS, HEAD_DIM, f"{layer}/cross/heads")
        names = [f"cross.{layer}.{part}" for part in ("key", "value")]
        build.split(heads, names, [N_HEADS, N_HEADS], axis=1)
    cache: list[int | str] = ["B", N_HEADS, "P", HEAD_DIM]
    one: list[int | str] = ["B", 1, 1]
    inputs = [
        tensor("bands", ["B", D_STEM, "J"]),
        tensor("mean", one),
        tensor("inverse_deviation", one),
        tensor("positions", ["B", "F"], TensorProto.INT64),
        *(tensor(name, cache) for name in cache_names("past")),
    ]
    names = ["states", *cache_names("new"), *cache_names("cross")]
    build.save(target, inputs, dict.fromkeys(names, TensorProto.FLOAT))


def _decoder_layer(
    build: GraphBuilder, decoder: DecoderWeights, layer: int, x: str
) -> tuple[str, str]:
    """One decoder layer; gives its output and its cross-attention weights [B, H, T, S]."""

    def product(value: str, name: str, output: str) -> str:
        part = decoder.products[f"{layer}.{name}"]
        return build.linear(value, part.weight, f"{layer}/{output}", part.bias)

    normed = build.layer_norm(x, decoder.gains[f"{layer}.self"], f"{layer}/normed")
    weights = [decoder.products[f"{layer}.self.{part}"].weight for part in "qkv"]
    mixed = _self_attention(build, normed, weights, layer, "self_mask")
    out = product(mixed, "self.o", "self/out")
    x = build.add("Add", [x, out], f"{layer}/after_self")

    normed = build.layer_norm(x, decoder.gains[f"{layer}.cross"], f"{layer}/cross/normed")
    query = product(normed, "cross.q", "cross/q")
    query = build.heads(query, N_HEADS, HEAD_DIM, f"{layer}/cross/q/heads")
    keys, values = (f"cross.{layer}.{part}" for part in ("key", "value"))
    mixed, attention = build.attend(query, keys, values, "cross_mask", _SCALE, f"{layer}/cross")
    out = product(mixed, "cross.o", "cross/out")
    x = build.add("Add", [x, out], f"{layer}/after_cross")

    normed = build.layer_norm(x, decoder.gains[f"{layer}.mlp"], f"{layer}/mlp/normed")
    flat = product(normed, "mlp.wide", "mlp/wide")
    hidden, gate = f"{layer}/mlp/hidden", f"{layer}/mlp/gate"
    build.split(flat, [hidden, gate], [D_MLP, D_MLP])
    gate = build.add("QuickGelu", [gate], f"{layer}/mlp/silu", MICROSOFT, alpha=1.0)
    hidden = build.add("Mul", [gate, hidden], f"{layer}/mlp/gated")
    out = product(hidden, "mlp.narrow", "mlp/out")
    return build.add("Add", [x, out], f"{layer}/out"), attention


def _last_tokens(build: GraphBuilder, value: str, output: str) -> str:
    """The last `n_scored` of [B, T, …]."""
    end = build.constant("end", np.array([np.iinfo(np.int64).max], np.int64))
    axis = build.constant("axis_1", np.array([1], np.int64))
    return build.add("Slice", [value, "first_scored", end, axis], output)


def build_step(decoder: DecoderWeights, target: Path, products: Products = "rows") -> None:
    """Write the graph of one decoder pass over one or more tokens.

    Inputs: `tokens`, `positions [B, T]` int64, `past.<layer>.{key,value} [B, H, P, D]`,
    `self_mask [B, 1, T, P + T]`, `cross.<layer>.{key,value} [A, H, S, D]`, `cross_mask [A, 1, 1,
    S]` with A = B or 1, `n_scored`, `n_best [1]` int64. Outputs, for the last L = `n_scored`
    tokens: `logprobs [B, L, V]` of what follows, `tokens_best`, `logprobs_best [B, L, n_best]`
    the best of them, best first; `alignment [B, L, S]`, the mean cross-attention of
    `ALIGNMENT_HEADS`; and `new.<layer>.{key,value} [B, H, T, D]`.
    """
    build = GraphBuilder(products)
    _rotary_tables(build)
    table = build.constant("embedding", decoder.embedding.codes)
    rows = build.add("Gather", [table, "tokens"], "embedded/codes", axis=0)
    scale = [
        build.constant("embedding/scale", decoder.embedding.scale),
        build.constant("embedding/zero", decoder.embedding.zero),
    ]
    x = build.add("DequantizeLinear", [rows, *scale], "embedded")

    picked = []
    for layer in range(N_LAYERS):
        x, attention = _decoder_layer(build, decoder, layer, x)
        wanted = [head for at, head in ALIGNMENT_HEADS if at == layer]
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

    cache: list[int | str] = ["B", N_HEADS, "P", HEAD_DIM]
    audio: list[int | str] = ["A", N_HEADS, "S", HEAD_DIM]
    inputs = [
        tensor("tokens", ["B", "T"], TensorProto.INT64),
        tensor("positions", ["B", "T"], TensorProto.INT64),
        tensor("self_mask", ["B", 1, "T", "P + T"]),
        tensor("cross_mask", ["A", 1, 1, "S"]),
        tensor("n_scored", [1], TensorProto.INT64),
        tensor("n_best", [1], TensorProto.INT64),
        *(tensor(name, cache) for name in cache_names("past")),
        *(tensor(name, audio) for name in cache_names("cross")),
    ]
    outputs = {"tokens_best": TensorProto.INT64}
    floats = ["logprobs", "logprobs_best", "alignment", *cache_names("new")]
    build.save(target, inputs, outputs | dict.fromkeys(floats, TensorProto.FLOAT))


def build_graphs(
    encoder: Path,
    decoder: Path,
    folder: Path,
    *,
    updates: Path | None = None,
    integer: bool = True,
) -> None:
    """Derive the graphs from the shipped files into `folder` (seconds).

    Args:
        updates: as of `DecoderWeights.read`.
        integer: 8-bit matrix products, for CPUs; otherwise float32 ones with the same weights.

    Raises:
        GraphFormatError: the files are not the expected ones.
        LoraMismatchError: the updates are another decoder's.
    """
    shipped_encoder = ShippedGraph(encoder)
    shipped_decoder = DecoderWeights.read(ShippedGraph(decoder), updates)
    build_stem(shipped_encoder, folder / STEM_FILE)
    # The encoder sees one session at a time; the decoder must not mix those it sees together.
    build_encode(
        shipped_encoder, shipped_decoder, folder / ENCODE_FILE, "pass" if integer else "float"
    )
    build_step(shipped_decoder, folder / STEP_FILE, "rows" if integer else "float")
