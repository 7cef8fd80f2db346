"""Rebuild Moonshine's decoder from the ONNX Runtime files that its package ships.

The shipped decoder is one merged graph of 1,800 nodes that hides its cross-attention and copies
the audio's keys and values through every call. Streaming needs neither. This module reads the
ORT flatbuffers, keeps the quantized weights to the bit, and writes two small ONNX graphs:

* `cross_kv.onnx`   encoder states -> cross-attention keys and values, once a window
* `step.onnx`       tokens + caches -> logits, grown self-attention caches, cross-attention

The architecture is that of "Moonshine: Speech Recognition for Live Transcription and Voice
Commands" (Jeffries et al., 2024): pre-norm, rotary positions on 32 of 36 dimensions of a head,
gated SiLU feed-forward, tied embedding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
    InferenceSession as OrtFile,
)

from models.moonshine import (
    ALIGNMENT_HEADS,
    CROSS_KV_FILE,
    HEAD_DIM,
    N_HEADS,
    N_LAYERS,
    STEP_FILE,
    cache_names,
)

D_MODEL: Final = N_HEADS * HEAD_DIM
ROTARY_DIM: Final = 32
ROTARY_BASE: Final = 10_000.0
MAX_TOKENS: Final = 512

_MS = "com.microsoft"


class GraphFormatError(ValueError):
    """The file is not the Moonshine decoder that this module knows how to rebuild."""


@dataclass(frozen=True)
class _Node:
    op_type: str
    inputs: list[str]
    outputs: list[str]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _read_tensor(tensor: Any) -> TensorProto:
    proto = TensorProto()
    proto.name = _text(tensor.Name())
    proto.dims.extend(tensor.Dims(i) for i in range(tensor.DimsLength()))
    proto.data_type = tensor.DataType()
    if tensor.RawDataLength() > 0:
        proto.raw_data = tensor.RawDataAsNumpy().tobytes()
    return proto


class _Shipped:
    """The weights of the shipped decoder, found by the name of the value each one produces."""

    def __init__(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        if not OrtFile.InferenceSessionBufferHasIdentifier(data, 0):
            raise GraphFormatError(f"{path} is not an ONNX Runtime format file")
        graph = OrtFile.GetRootAs(data, 0).Model().Graph()
        self._producer: dict[str, _Node] = {}
        self._weights: dict[str, Any] = {}
        self._collect(graph)

    def _collect(self, graph: Any) -> None:
        for index in range(graph.InitializersLength()):
            tensor = graph.Initializers(index)
            self._weights.setdefault(_text(tensor.Name()), tensor)
        for index in range(graph.NodesLength()):
            node = graph.Nodes(index)
            made = _Node(
                _text(node.OpType()),
                [_text(node.Inputs(i)) for i in range(node.InputsLength())],
                [_text(node.Outputs(i)) for i in range(node.OutputsLength())],
            )
            branches = [node.Attributes(i).G() for i in range(node.AttributesLength())]
            for branch in filter(None, branches):
                self._collect(branch)
            for name in made.outputs:
                self._producer.setdefault(name, made)

    def node(self, output: str, op_types: tuple[str, ...]) -> _Node:
        found = self._producer.get(output)
        if found is None or found.op_type not in op_types:
            raise GraphFormatError(f"the decoder has no {' or '.join(op_types)} giving {output!r}")
        return found

    def weight(self, name: str) -> TensorProto:
        if name not in self._weights:
            raise GraphFormatError(f"the decoder has no weight {name!r}")
        return _read_tensor(self._weights[name])


class _Builder:
    """Collects nodes and the weights they use; names values after the layer they belong to."""

    def __init__(self, shipped: _Shipped) -> None:
        self.shipped = shipped
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, TensorProto] = {}

    def add(self, op: str, inputs: list[str], output: str, domain: str = "", **attrs: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attrs))
        return output

    def constant(self, name: str, value: Any) -> str:
        self.weights[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def use(self, name: str) -> str:
        if name and name not in self.weights:
            self.weights[name] = self.shipped.weight(name)
        return name

    def quantize(self, value: str) -> tuple[str, str, str]:
        names = (f"{value}/q", f"{value}/scale", f"{value}/zero")
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], list(names)))
        return names

    def project(self, source: str, quantized: tuple[str, str, str], output: str) -> str:
        """A matrix product of an already quantized value; weights of shipped value `source`."""
        weight, scale, zero = (
            self.shipped.node(source, ("MatMulIntegerToFloat",)).inputs[i] for i in (1, 3, 5)
        )
        value, value_scale, value_zero = quantized
        inputs = [value, self.use(weight), value_scale, self.use(scale), value_zero, self.use(zero)]
        return self.add("MatMulIntegerToFloat", inputs, output, _MS)

    def linear(self, source: str, value: str, output: str) -> str:
        node = self.shipped.node(source, ("DynamicQuantizeMatMul",))
        weights = [self.use(name) for name in node.inputs[1:]]
        return self.add("DynamicQuantizeMatMul", [value, *weights], output, _MS)

    def layer_norm(self, source: str, value: str, output: str) -> str:
        node = self.shipped.node(source, ("LayerNormalization",))
        weights = [self.use(name) for name in node.inputs[1:]]
        return self.add("LayerNormalization", [value, *weights], output, axis=-1, epsilon=1e-5)

    def heads(self, value: str, output: str) -> str:
        """[B, T, H*D] -> [B, H, T, D]"""
        shape = self.constant("heads_shape", np.array([0, 0, N_HEADS, HEAD_DIM], np.int64))
        split = self.add("Reshape", [value, shape], f"{output}/split")
        return self.add("Transpose", [split], output, perm=[0, 2, 1, 3])

    def merge_heads(self, value: str, output: str) -> str:
        """[B, H, T, D] -> [B, T, H*D]"""
        shape = self.constant("merged_shape", np.array([0, 0, D_MODEL], np.int64))
        back = self.add("Transpose", [value], f"{output}/back", perm=[0, 2, 1, 3])
        return self.add("Reshape", [back, shape], output)

    def save(self, path: Path, inputs: list[onnx.ValueInfoProto], outputs: list[str]) -> None:
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            inputs,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            list(self.weights.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_MS, 1)],
            ir_version=9,
        )
        path.write_bytes(model.SerializeToString())


def _tensor(name: str, dims: list[int | str], kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, dims)


def build_cross_kv(decoder_path: Path, target: Path) -> None:
    """Write the graph `states [1, S, 288]` -> `cross.<layer>.{key,value} [1, H, S, D]`.

    Raises:
        GraphFormatError: the file is not the expected decoder.
    """
    build = _Builder(_Shipped(decoder_path))
    quantized = build.quantize("states")
    for layer in range(N_LAYERS):
        for part, letter in (("key", "k"), ("value", "v")):
            source = f"/model/decoder/layers.{layer}/encoder_attn/{letter}_proj/MatMul_output_0"
            flat = build.project(source, quantized, f"{layer}/{letter}")
            build.heads(flat, f"cross.{layer}.{part}")
    build.save(target, [_tensor("states", [1, "S", D_MODEL])], cache_names("cross"))


def _rotary_tables() -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of every position, each [MAX_TOKENS, ROTARY_DIM / 2]."""
    exponents = np.arange(0, ROTARY_DIM, 2, dtype=np.float64) / ROTARY_DIM
    angles = np.outer(np.arange(MAX_TOKENS), ROTARY_BASE**-exponents)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _positions_and_mask(build: _Builder) -> tuple[str, str]:
    """Position of each new token [B, T], and the causal mask [T, P + T] (0 or -inf)."""
    zero = build.constant("zero", np.array(0, np.int64))
    one = build.constant("one", np.array(1, np.int64))
    past = build.add("Shape", ["past.0.key"], "past_shape", start=2, end=3)
    past = build.add("Squeeze", [past], "past_tokens")
    new = build.add("Shape", ["tokens"], "new_shape", start=1, end=2)
    new = build.add("Squeeze", [new], "new_tokens")
    total = build.add("Add", [past, new], "total_tokens")
    position = build.add("Range", [past, total, one], "position")
    token_shape = build.add("Shape", ["tokens"], "token_shape")
    positions = build.add("Expand", [position, token_shape], "positions")
    key = build.add("Range", [zero, total, one], "key_position")
    axis = build.constant("axis_1", np.array([1], np.int64))
    query = build.add("Unsqueeze", [position, axis], "query_position")
    future = build.add("Greater", [key, query], "future")
    closed = build.constant("closed", np.array(-math.inf, np.float32))
    opened = build.constant("open", np.array(0, np.float32))
    return positions, build.add("Where", [future, closed, opened], "causal_mask")


def _attend(
    build: _Builder, query: str, key: str, value: str, mask: str | None, name: str
) -> tuple[str, str]:
    """Scaled dot-product attention; gives the merged output and the weights [B, H, T, S]."""
    scores = build.add(
        "FusedMatMul", [query, key], f"{name}/scores", _MS, transB=1, alpha=HEAD_DIM**-0.5
    )
    if mask is not None:
        scores = build.add("Add", [scores, mask], f"{name}/masked")
    weights = build.add("Softmax", [scores], f"{name}/weights", axis=-1)
    mixed = build.add("MatMul", [weights, value], f"{name}/mixed")
    return build.merge_heads(mixed, f"{name}/merged"), weights


def _layer(build: _Builder, layer: int, x: str, positions: str, mask: str) -> tuple[str, str]:
    """One decoder layer; gives its output and its cross-attention weights."""
    at = f"/model/decoder/layers.{layer}"
    normed = build.layer_norm(
        f"{at}/input_layernorm/LayerNormalization_output_0", x, f"{layer}/normed"
    )
    quantized = build.quantize(normed)
    heads = {}
    for letter in "qkv":
        flat = build.project(
            f"{at}/self_attn/{letter}_proj/MatMul_output_0", quantized, f"{layer}/{letter}"
        )
        heads[letter] = build.heads(flat, f"{layer}/{letter}/heads")
    for letter in "qk":
        heads[letter] = build.add(
            "RotaryEmbedding",
            [heads[letter], positions, "rotary_cos", "rotary_sin"],
            f"{layer}/{letter}/rotated",
            _MS,
            interleaved=1,
            num_heads=N_HEADS,
            rotary_embedding_dim=ROTARY_DIM,
        )
    keys = build.add("Concat", [f"past.{layer}.key", heads["k"]], f"present.{layer}.key", axis=2)
    values = build.add(
        "Concat", [f"past.{layer}.value", heads["v"]], f"present.{layer}.value", axis=2
    )
    mixed, _ = _attend(build, heads["q"], keys, values, mask, f"{layer}/self")
    out = build.linear(f"{at}/self_attn/o_proj/MatMul_output_0", mixed, f"{layer}/self/out")
    x = build.add("Add", [x, out], f"{layer}/after_self")

    normed = build.layer_norm(
        f"{at}/post_attention_layernorm/LayerNormalization_output_0", x, f"{layer}/cross/normed"
    )
    query = build.linear(f"{at}/encoder_attn/q_proj/MatMul_output_0", normed, f"{layer}/cross/q")
    query = build.heads(query, f"{layer}/cross/q/heads")
    mixed, attention = _attend(
        build, query, f"cross.{layer}.key", f"cross.{layer}.value", None, f"{layer}/cross"
    )
    out = build.linear(f"{at}/encoder_attn/o_proj/MatMul_output_0", mixed, f"{layer}/cross/out")
    x = build.add("Add", [x, out], f"{layer}/after_cross")

    normed = build.layer_norm(
        f"{at}/final_layernorm/LayerNormalization_output_0", x, f"{layer}/mlp/normed"
    )
    wide = build.linear(f"{at}/mlp/fc1/Add_output_0", normed, f"{layer}/mlp/wide")
    hidden, gate = f"{layer}/mlp/hidden", f"{layer}/mlp/gate"
    build.nodes.append(helper.make_node("Split", [wide], [hidden, gate], axis=-1, num_outputs=2))
    gate = build.add("QuickGelu", [gate], f"{layer}/mlp/silu", _MS, alpha=1.0)
    hidden = build.add("Mul", [gate, hidden], f"{layer}/mlp/gated")
    out = build.linear(f"{at}/mlp/fc2/Add_output_0", hidden, f"{layer}/mlp/out")
    return build.add("Add", [x, out], f"{layer}/out"), attention


def build_step(decoder_path: Path, target: Path, alignment_heads: list[tuple[int, int]]) -> None:
    """Write the graph of one decoder step over one or more tokens.

    Inputs: `tokens [B, T]` int64, `past.<layer>.{key,value} [B, H, P, D]`,
    `cross.<layer>.{key,value} [1, H, S, D]`. Outputs: `logits [B, T, V]`, `present.…`
    `[B, H, P + T, D]`, and `alignment [B, T, S]`, the mean cross-attention of
    `alignment_heads` (layer, head).

    Raises:
        GraphFormatError: the file is not the expected decoder.
    """
    build = _Builder(_Shipped(decoder_path))
    build.constant("rotary_cos", _rotary_tables()[0])
    build.constant("rotary_sin", _rotary_tables()[1])
    positions, mask = _positions_and_mask(build)

    gather = build.shipped.node(
        "/model/decoder/embed_tokens/Gather_output_0_quantized", ("Gather",)
    )
    dequantize = build.shipped.node(
        "/model/decoder/embed_tokens/Gather_output_0", ("DequantizeLinear",)
    )
    rows = build.add("Gather", [build.use(gather.inputs[0]), "tokens"], "embedded/q", axis=0)
    scale = [build.use(name) for name in dequantize.inputs[1:]]
    x = build.add("DequantizeLinear", [rows, *scale], "embedded")

    picked = []
    for layer in range(N_LAYERS):
        x, attention = _layer(build, layer, x, positions, mask)
        wanted = [head for at, head in alignment_heads if at == layer]
        if wanted:
            index = build.constant(f"{layer}/heads", np.array(wanted, np.int64))
            picked.append(build.add("Gather", [attention, index], f"{layer}/picked", axis=1))
    normed = build.layer_norm("/model/decoder/norm/LayerNormalization_output_0", x, "normed")
    build.linear("logits", normed, "logits")
    together = build.add("Concat", picked, "alignment/heads", axis=1)
    axes = build.constant("head_axis", np.array([1], np.int64))
    build.add("ReduceMean", [together, axes], "alignment", keepdims=0)

    cache: list[int | str] = ["B", N_HEADS, "P", HEAD_DIM]
    audio: list[int | str] = [1, N_HEADS, "S", HEAD_DIM]
    inputs = [
        _tensor("tokens", ["B", "T"], TensorProto.INT64),
        *(_tensor(name, cache) for name in cache_names("past")),
        *(_tensor(name, audio) for name in cache_names("cross")),
    ]
    build.save(target, inputs, ["logits", "alignment", *cache_names("present")])


def build_graphs(decoder_path: Path, folder: Path) -> None:
    """Derive the decoder's graphs from the shipped file into `folder` (about a second).

    Raises:
        GraphFormatError: the file is not the expected decoder.
    """
    build_cross_kv(decoder_path, folder / CROSS_KV_FILE)
    build_step(decoder_path, folder / STEP_FILE, list(ALIGNMENT_HEADS))
