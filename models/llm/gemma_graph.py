"""Write Gemma 3 as two small ONNX graphs with 8-bit weights, made for scoring trees of tokens.

* `body.onnx`   new tokens of several sessions + their caches -> hidden states, new keys, values
* `head.onnx`   hidden states -> log of the sum over the shortlist of exp(logit)

Linear layers see the new tokens of all sessions packed, `[N, D]`; only the attention pads them,
`[B, T, D]`. Masks and positions are inputs, so the new tokens may form a tree; the input is
embedded tokens, so that anything else can stand where a token would. Activations are quantized
token by token: what a token gets does not depend on what shares the pass.

The architecture is that of the Gemma 3 technical report (2025): a norm before and behind each
half of a layer, rotary positions with another base in global layers, normed queries and keys.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from streamer.audio.arrays import Floats
from streamer.models.llm.gemma import (
    BODY_FILE,
    EMBEDDING_FILE,
    HEAD_FILE,
    SETTINGS_FILE,
    SHORTLIST_FILE,
    GemmaSettings,
    cache_names,
)
from streamer.models.llm.gemma_source import MAX_POSITIONS, GemmaShape, GemmaSource
from streamer.models.onnx.graph_builder import BLOCK, MICROSOFT, GraphBuilder, tensor
from streamer.models.store.progress import Reached

_ROWS_AT_ONCE: Final = 1024
_TRANSCRIPT_PIECE: Final = re.compile("[\u2581A-Za-z0-9'\u2019.,?!:;\"()$%&-]+")


class _GemmaBuilder(GraphBuilder):
    """With the layers that Gemma is made of."""

    def __init__(self, epsilon: float = 0.0) -> None:
        super().__init__("rows")
        self._epsilon = epsilon

    def project(self, value: str, weight: Floats, output: str) -> str:
        """`value [N, in]` times the transpose of `weight [out, in]`."""
        codes, scale = quantize_blocks(weight)
        return self.linear_in_blocks(value, codes, scale, output, n_in=weight.shape[1])

    def norm(self, value: str, weight: Floats, output: str) -> str:
        # Gemma's norms multiply by 1 + weight.
        scale = self.constant(f"{output}/weight", weight + 1)
        op = "SimplifiedLayerNormalization"
        return self.add(op, [value, scale], output, axis=-1, epsilon=self._epsilon)

    def add_and_norm(self, a: str, b: str, weight: Floats, output: str) -> tuple[str, str]:
        """The norm of a + b, and a + b."""
        total = f"{output}/sum"
        scale = self.constant(f"{output}/weight", weight + 1)
        node = helper.make_node(
            "SkipSimplifiedLayerNormalization",
            [a, b, scale],
            [output, "", "", total],
            domain=MICROSOFT,
            epsilon=self._epsilon,
        )
        self.nodes.append(node)
        return output, total


def quantize_blocks(weight: Floats) -> tuple[npt.NDArray[np.uint8], Floats]:
    """`weight [out, in]` as `[out, blocks, BLOCK]` around 128, and a scale for each block."""
    n, k = weight.shape
    blocks = np.zeros((n, math.ceil(k / BLOCK) * BLOCK), np.float32)
    blocks[:, :k] = weight
    blocks = blocks.reshape(n, -1, BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=-1) / 127, np.float32(1e-12))
    quantized = np.rint(blocks / scales[..., None]) + 128
    return quantized.astype(np.uint8), scales.reshape(-1)


def build_body(weights: Mapping[str, Floats], shape: GemmaShape, target: Path) -> None:
    """Write the graph of all layers.

    Inputs: `embedded [N, D]`, `positions [N, 1]`, for each session and place in its padded row
    the packed token, as query `slots [B, T]` and as key `key_slots [B, K]`, the way `back [N]`
    from flattened places to packed tokens, `mask [B, T, 1, P + K]` to be added to the
    attention's scores, and `past.<layer>.{key,value} [B, P, head_dim]`. Outputs:
    `hidden [N, D]` behind the last norm, and the keys and values of the new tokens,
    `new.<layer>.{key,value} [N, head_dim]`.
    """
    build = _GemmaBuilder(shape.epsilon)
    n_layers = len(shape.rotary_bases)
    rows = build.add("Shape", ["slots"], "slots_shape")
    keys = build.add("Shape", ["mask"], "n_keys", start=3, end=4)
    heads = build.constant("n_heads", np.array([shape.n_heads], np.int64))
    build.add("Concat", [rows, heads, keys], "by_head", axis=0)
    kept = build.constant("kept", np.array([0, -1], np.int64))
    build.add("Concat", [kept, keys], "by_query", axis=0)
    past = build.add("Shape", ["past.0.key"], "n_past", start=1, end=2)
    new = build.add("Shape", ["key_slots"], "n_new", start=1, end=2)
    build.add("Concat", [past, new], "past_and_new", axis=0)

    x = "embedded"
    normed = build.norm(x, weights["model.layers.0.input_layernorm.weight"], "0/in")
    for layer in range(n_layers):
        out = _attend(build, weights, shape, layer, normed)
        at = f"model.layers.{layer}"
        following = weights[f"{at}.pre_feedforward_layernorm.weight"]
        normed, x = build.add_and_norm(out, x, following, f"{layer}/mlp/in")
        out = _feed_forward(build, weights, layer, normed)
        is_last = layer + 1 == n_layers
        name = "model.norm" if is_last else f"model.layers.{layer + 1}.input_layernorm"
        output = "hidden" if is_last else f"{layer + 1}/in"
        normed, x = build.add_and_norm(out, x, weights[f"{name}.weight"], output)

    inputs = [
        tensor("embedded", ["N", weights["model.norm.weight"].shape[0]]),
        tensor("positions", ["N", 1], TensorProto.INT64),
        tensor("slots", ["B", "T"], TensorProto.INT64),
        tensor("key_slots", ["B", "K"], TensorProto.INT64),
        tensor("back", ["N"], TensorProto.INT64),
        tensor("mask", ["B", "T", 1, "S"]),
        *(tensor(name, ["B", "P", shape.head_dim]) for name in cache_names("past", n_layers)),
    ]
    names = ["hidden", *cache_names("new", n_layers)]
    build.save(target, inputs, dict.fromkeys(names, TensorProto.FLOAT))


def _attend(
    build: _GemmaBuilder, weights: Mapping[str, Floats], shape: GemmaShape, layer: int, normed: str
) -> str:
    """Self-attention of one layer, with the norm behind it."""
    dim, width = shape.head_dim, shape.n_heads * shape.head_dim

    def weight(name: str) -> Floats:
        return weights[f"model.layers.{layer}.{name}.weight"]

    together = np.concatenate([weight(f"self_attn.{part}_proj") for part in "qkv"])
    mixed = build.project(normed, together, f"{layer}/qkv")
    q, k, v = f"{layer}/q", f"{layer}/k", f"new.{layer}.value"
    build.split(mixed, [q, k, v], [width, dim, dim])
    q = build.reshape(q, [-1, dim], f"{layer}/q/heads")
    q = build.norm(q, weight("self_attn.q_norm"), f"{layer}/q/normed")
    q = _rotate(build, q, shape.rotary_bases[layer], shape.n_heads, dim, f"{layer}/q/rotated")
    q = build.reshape(q, [-1, width], f"{layer}/q/packed")
    k = build.norm(k, weight("self_attn.k_norm"), f"{layer}/k/normed")
    k = _rotate(build, k, shape.rotary_bases[layer], 1, dim, f"{layer}/k/rotated")
    k = build.reshape(k, [-1, dim], f"new.{layer}.key")

    q = build.add("Gather", [q, "slots"], f"{layer}/q/padded")
    k = build.add("Gather", [k, "key_slots"], f"{layer}/k/padded")
    v = build.add("Gather", [v, "key_slots"], f"{layer}/v/padded")
    # [B, T, H * D] -> [B, T * H, D]: all heads share one key, so nothing is transposed.
    q = build.reshape(q, [0, -1, dim], f"{layer}/q/queries")
    scores = [
        build.add(
            "FusedMatMul",
            [q, key],
            f"{layer}/scores/{part}",
            MICROSOFT,
            transB=1,
            alpha=shape.attention_scale,
        )
        for part, key in (("past", f"past.{layer}.key"), ("new", k))
    ]
    joined = build.add("Concat", scores, f"{layer}/scores", axis=-1)
    joined = build.add("Reshape", [joined, "by_head"], f"{layer}/scores/by_head")
    masked = build.add("Add", [joined, "mask"], f"{layer}/scores/masked")
    attention = build.add("Softmax", [masked], f"{layer}/attention", axis=-1)
    attention = build.add("Reshape", [attention, "by_query"], f"{layer}/attention/by_query")
    to_past, to_new = f"{layer}/attention/past", f"{layer}/attention/new"
    build.split(attention, [to_past, to_new], "past_and_new")
    mixed = build.add(
        "Add",
        [
            build.add("MatMul", [to_past, f"past.{layer}.value"], f"{layer}/mixed/past"),
            build.add("MatMul", [to_new, v], f"{layer}/mixed/new"),
        ],
        f"{layer}/mixed",
    )
    mixed = build.reshape(mixed, [-1, width], f"{layer}/mixed/padded")
    mixed = build.add("Gather", [mixed, "back"], f"{layer}/mixed/packed")
    out = build.project(mixed, weight("self_attn.o_proj"), f"{layer}/out")
    return build.norm(out, weight("post_attention_layernorm"), f"{layer}/out/normed")


def _rotate(
    build: _GemmaBuilder, value: str, base: float, n_heads: int, head_dim: int, output: str
) -> str:
    """Rotary positions of `value [.., D]`; gives `[N, 1, H * D]`: as rows of one token, since a
    row must not be longer than the table."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
    angles = np.outer(np.arange(MAX_POSITIONS), base**-exponents)
    tables = {"cos": np.cos(angles), "sin": np.sin(angles)}
    names = [
        build.constant(f"rotary/{base:g}/{name}", table.astype(np.float32))
        for name, table in tables.items()
    ]
    value = build.reshape(value, [-1, 1, n_heads * head_dim], f"{output}/flat")
    attrs = {"num_heads": n_heads, "rotary_embedding_dim": head_dim}
    return build.add("RotaryEmbedding", [value, "positions", *names], output, MICROSOFT, **attrs)


def _feed_forward(
    build: _GemmaBuilder, weights: Mapping[str, Floats], layer: int, normed: str
) -> str:
    """Gated feed-forward of one layer, with the norm behind it."""

    def weight(name: str) -> Floats:
        return weights[f"model.layers.{layer}.{name}.weight"]

    parts = [weight("mlp.gate_proj"), weight("mlp.up_proj")]
    wide = build.project(normed, np.concatenate(parts), f"{layer}/mlp/wide")
    gate, up = f"{layer}/mlp/gate", f"{layer}/mlp/up"
    build.split(wide, [gate, up], [len(part) for part in parts])
    gate = build.add("FastGelu", [gate], f"{layer}/mlp/gelu", MICROSOFT)
    hidden = build.add("Mul", [gate, up], f"{layer}/mlp/gated")
    out = build.project(hidden, weight("mlp.down_proj"), f"{layer}/mlp/out")
    return build.norm(out, weight("post_feedforward_layernorm"), f"{layer}/mlp/normed")


def quantize_rows(weight: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """`weight [N, D]` as `[D, N]`, and a scale for each of its N rows.

    In 7 bits: processors without instructions for products of 8 bits (AVX2 alone) add two of them
    in 16 bits, which do not hold two of an unsigned byte with more.
    """
    codes = np.empty(weight.shape[::-1], np.int8)
    scales = np.empty(len(weight), np.float32)
    for some in _slices(len(weight)):
        rows = weight[some]
        scales[some] = np.maximum(np.abs(rows).max(axis=1) / 63, np.float32(1e-12))
        codes[:, some] = np.rint(rows / scales[some, None]).astype(np.int8).T
    return codes, scales


def build_head(embedding: Floats, target: Path) -> None:
    """Write the graph `hidden [M, D]` -> `normalizers [M]` over the rows of `embedding`.

    One scale for each row of the weights and for each hidden state, which a sum over the
    vocabulary tolerates: errors of single logits average out.
    """
    build = _GemmaBuilder()
    last = build.constant("last", np.array([-1], np.int64))
    peak = build.add("ReduceMax", [build.add("Abs", ["hidden"], "size"), last], "peak", keepdims=0)
    peak = build.add("Max", [peak, build.constant("tiny", np.float32(1e-9))], "peak/safe")
    scale = build.add("Div", [peak, build.constant("top", np.float32(127))], "scale")
    middle = helper.make_tensor("middle", TensorProto.UINT8, [1], [128])
    zeros = build.add(
        "ConstantOfShape", [build.add("Shape", [scale], "n_rows")], "zeros", value=middle
    )
    quantized = build.add("QuantizeLinear", ["hidden", scale, zeros], "quantized", axis=0)

    weight, scales = quantize_rows(embedding)
    inputs = [
        quantized,
        build.constant("weight", weight),
        build.constant("unit", np.float32(1)),
        build.constant("weight/scales", scales),
        build.constant("weight/zero", np.uint8(128)),
    ]
    logits = build.add("MatMulIntegerToFloat", inputs, "logits/unscaled", MICROSOFT)
    logits = build.add("Mul", [logits, build.add("Unsqueeze", [scale, last], "scales")], "logits")
    # The largest log-softmax is the largest logit less the sum we want; there is an operator
    # for the sum alone, but it takes ten times as long.
    largest = build.add("ReduceMax", [logits, last], "logits/largest", keepdims=0)
    likely = build.add("LogSoftmax", [logits], "logprobs", axis=-1)
    likely = build.add("ReduceMax", [likely, last], "logprobs/largest", keepdims=0)
    build.add("Sub", [largest, likely], "normalizers")
    build.save(
        target, [tensor("hidden", ["M", embedding.shape[1]])], {"normalizers": TensorProto.FLOAT}
    )


def shortlist(vocabulary: Mapping[str, int], size: int) -> npt.NDArray[np.bool_]:
    """Which tokens an English transcript can contain: Latin letters, digits, punctuation."""
    chosen = np.zeros(size, np.bool_)
    chosen[[token for piece, token in vocabulary.items() if _TRANSCRIPT_PIECE.fullmatch(piece)]] = (
        True
    )
    return chosen


def _halves(embedding: Floats, scale: float) -> npt.NDArray[np.float16]:
    """Times the scale, in half precision."""
    halves = np.empty(embedding.shape, np.float16)
    for some in _slices(len(embedding)):
        halves[some] = embedding[some] * scale
    return halves


def _slices(length: int) -> Iterator[slice]:
    """Parts of an array that are small: memory that was never touched costs more than computing."""
    return (slice(at, at + _ROWS_AT_ONCE) for at in range(0, length, _ROWS_AT_ONCE))


def build_graphs(source: GemmaSource, folder: Path, reached: Reached = lambda _: None) -> None:
    """Write graphs, embedding and tokenizer into `folder`, some seconds; `reached` is told how much
    of that is done."""
    shape, weights = source.shape, source.weights
    build_body(weights, shape, folder / BODY_FILE)
    embedding = weights["model.embed_tokens.weight"]
    chosen = shortlist(source.tokenizer.get_vocab(with_added_tokens=False), len(embedding))
    reached(0.3)
    build_head(embedding[chosen], folder / HEAD_FILE)
    reached(0.7)
    np.save(folder / SHORTLIST_FILE, chosen)
    scale = math.sqrt(embedding.shape[1])
    np.save(folder / EMBEDDING_FILE, _halves(embedding, scale))
    reached(0.9)
    settings = GemmaSettings(source.bos, len(shape.rotary_bases), shape.head_dim, scale)
    (folder / SETTINGS_FILE).write_text(json.dumps(asdict(settings)))
    source.tokenizer.save(str(folder / "tokenizer.json"))
