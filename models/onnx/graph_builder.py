"""Writes ONNX graphs of transformers with 8-bit weights, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

MICROSOFT: Final = "com.microsoft"

BLOCK: Final = 32
"""Weights, and the activations they meet, that share a scale."""
INT8_ACTIVATIONS: Final = 4

Products = Literal["pass", "rows", "float"]
"""How a matrix is multiplied by 8-bit weights. `pass`: activations in 8 bits, one scale for the
whole pass, which is fastest for many rows; `rows`: one scale for every 32 values of a row, so that
rows do not depend on their neighbours; `float`: in float32."""


@dataclass(frozen=True)
class QuantizedWeight:
    """An 8-bit matrix, `value = (codes - zero) * scale`, in signed codes, for which CPUs with VNNI
    have an instruction.

    `codes [K, N]` int8, `scale [N]` and `zero [N]` (or one of each for all columns).
    """

    codes: Array
    scale: Array
    zero: Array

    def values(self) -> Array:
        """As float32 `[K, N]`."""
        return (self.codes.astype(np.float32) - self.zero) * self.scale


@dataclass(frozen=True, eq=False)
class ExactWeight:
    """A matrix that is multiplied in float32, `[K, N]`."""

    matrix: Array

    def values(self) -> Array:
        """As float32 `[K, N]`."""
        return self.matrix


Weight = QuantizedWeight | ExactWeight


def quantized(weight: Array) -> QuantizedWeight:
    """`weight [K, N]` in 8 bits, each column with a scale and zero point of its own."""
    low, high = np.minimum(weight.min(axis=0), 0), np.maximum(weight.max(axis=0), 0)
    scale = np.maximum((high - low) / 255, np.finfo(np.float32).tiny).astype(np.float32)
    zero = np.clip(np.rint(-128 - low / scale), -128, 127)
    codes = np.clip(np.rint(weight / scale + zero), -128, 127)
    return QuantizedWeight(codes.astype(np.int8), scale, zero.astype(np.int8))


def beside(weights: Sequence[Weight]) -> Weight:
    """The matrices of one input side by side, as one. They are all of one kind."""
    exact = [each.matrix for each in weights if isinstance(each, ExactWeight)]
    if exact:
        return ExactWeight(np.concatenate(exact, axis=1))
    return _beside([each for each in weights if isinstance(each, QuantizedWeight)])


def _beside(weights: Sequence[QuantizedWeight]) -> QuantizedWeight:
    widths = [w.codes.shape[1] for w in weights]
    return QuantizedWeight(
        np.concatenate([w.codes for w in weights], axis=1),
        np.concatenate([np.broadcast_to(w.scale, n) for w, n in zip(weights, widths, strict=True)]),
        np.concatenate([np.broadcast_to(w.zero, n) for w, n in zip(weights, widths, strict=True)]),
    )


def tensor(name: str, dims: list[int | str], kind: int = TensorProto.FLOAT) -> Any:
    """Description of an input."""
    return helper.make_tensor_value_info(name, kind, dims)


class GraphBuilder:
    """Collects nodes and weights; names values after the layer they belong to."""

    def __init__(self, products: Products) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, TensorProto] = {}
        self._products = products
        self._quantized: dict[str, tuple[str, str, str]] = {}

    def add(self, op: str, inputs: list[str], output: str, domain: str = "", **attrs: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attrs))
        return output

    def split(
        self, value: str, outputs: Sequence[str], sizes: Sequence[int] | str, *, axis: int = -1
    ) -> None:
        """Cut a value into parts; `sizes` are known now, or the name of a value that tells."""
        if not isinstance(sizes, str):
            sizes = self.constant(f"sizes{list(sizes)}", np.array(sizes, np.int64))
        self.nodes.append(helper.make_node("Split", [value, sizes], list(outputs), axis=axis))

    def constant(self, name: str, value: Any) -> str:
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def reshape(self, value: str, dims: Sequence[int], output: str) -> str:
        """0 keeps a dimension, -1 takes the rest."""
        shape = self.constant(f"dims{list(dims)}", np.array(dims, np.int64))
        return self.add("Reshape", [value, shape], output)

    def linear(self, value: str, weight: Weight, output: str, bias: Array | None = None) -> str:
        """`value @ weight + bias`."""
        if self._products == "float" or isinstance(weight, ExactWeight):
            return self.linear_in_floats(value, weight.values(), output, bias)
        if self._products == "rows":
            return self._linear_by_rows(value, weight, output, bias)
        codes, scale, zero = self._codes(value)
        inputs = [
            codes,
            self.constant(f"{output}/weight/codes", weight.codes),
            scale,
            self.constant(f"{output}/weight/scale", weight.scale.astype(np.float32)),
            zero,
            self.constant(f"{output}/weight/zero", weight.zero.astype(np.int8)),
        ]
        if bias is not None:
            inputs.append(self.constant(f"{output}/bias", bias))
        return self.add("MatMulIntegerToFloat", inputs, output, MICROSOFT)

    def linear_in_floats(
        self, value: str, weight: Array, output: str, bias: Array | None = None
    ) -> str:
        """The same with a matrix `[K, N]` of float32."""
        matrix = self.constant(f"{output}/weight", weight)
        if bias is None:
            return self.add("MatMul", [value, matrix], output)
        product = self.add("MatMul", [value, matrix], f"{output}/product")
        return self.add("Add", [product, self.constant(f"{output}/bias", bias)], output)

    def _linear_by_rows(
        self, value: str, weight: QuantizedWeight, output: str, bias: Array | None
    ) -> str:
        n_in, n_out = weight.codes.shape
        n_blocks = -(-n_in // BLOCK)
        blocks = np.zeros((n_out, n_blocks * BLOCK), np.uint8)
        blocks[:, :n_in] = (weight.codes.astype(np.int16) + 128).T
        zero = np.broadcast_to(weight.zero.astype(np.int16) + 128, n_out).astype(np.uint8)
        scale = np.broadcast_to(weight.scale, n_out).astype(np.float32)
        return self.linear_in_blocks(
            value,
            blocks.reshape(n_out, n_blocks, BLOCK),
            np.repeat(scale, n_blocks),
            output,
            n_in=n_in,
            zero=np.repeat(zero, n_blocks),
            bias=bias,
        )

    def linear_in_blocks(
        self,
        value: str,
        codes: Array,
        scale: Array,
        output: str,
        *,
        n_in: int,
        zero: Array | None = None,
        bias: Array | None = None,
    ) -> str:
        """`value @ weight + bias`, where a row's `BLOCK` values that meet a block of the weights
        have one scale.

        Args:
            codes: uint8 `[out, blocks, BLOCK]`, the weights; behind the first `n_in` of a row,
                padding.
            scale: `[out * blocks]`.
            zero: uint8 `[out * blocks]`; 128 if not given.
        """
        optional = {"zero": zero, "bias": bias}
        inputs = [
            value,
            self.constant(f"{output}/codes", codes),
            self.constant(f"{output}/scale", scale),
        ]
        for index, (name, array) in zip((3, 5), optional.items(), strict=True):
            if array is not None:
                inputs += [""] * (index - len(inputs))
                inputs.append(self.constant(f"{output}/{name}", array))
        return self.add(
            "MatMulNBits",
            inputs,
            output,
            MICROSOFT,
            K=n_in,
            N=len(codes),
            bits=8,
            block_size=BLOCK,
            accuracy_level=INT8_ACTIVATIONS,
        )

    def _codes(self, value: str) -> tuple[str, str, str]:
        """The value in 8 bits, its scale and zero point."""
        known = self._quantized.get(value)
        if known is not None:
            return known
        names = (f"{value}/codes", f"{value}/scale", f"{value}/zero")
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], list(names)))
        self._quantized[value] = names
        return names

    def layer_norm(self, value: str, weight: Array, output: str, shift: Array | None = None) -> str:
        shift = np.zeros_like(weight) if shift is None else shift
        names = [
            self.constant(f"{output}/gain", weight),
            self.constant(f"{output}/shift", shift),
        ]
        return self.add("LayerNormalization", [value, *names], output, axis=-1, epsilon=1e-5)

    def gather_rows(self, table: Weight, indices: str, output: str) -> str:
        """The rows of `table` that `indices [B, T]` name, in float32 `[B, T, N]`."""
        if isinstance(table, ExactWeight):
            rows = self.constant(f"{output}/table", table.matrix)
            return self.add("Gather", [rows, indices], output, axis=0)
        rows = self.constant(f"{output}/table", table.codes)
        codes = self.add("Gather", [rows, indices], f"{output}/codes", axis=0)
        scale = [
            self.constant(f"{output}/scale", table.scale),
            self.constant(f"{output}/zero", table.zero),
        ]
        return self.add("DequantizeLinear", [codes, *scale], output, axis=-1)

    def heads(self, value: str, n_heads: int, head_dim: int, output: str) -> str:
        """[B, T, H*D] -> [B, H, T, D]"""
        split = self.reshape(value, [0, 0, n_heads, head_dim], f"{output}/split")
        return self.add("Transpose", [split], output, perm=[0, 2, 1, 3])

    def merge_heads(self, value: str, output: str) -> str:
        """[B, H, T, D] -> [B, T, H*D]"""
        back = self.add("Transpose", [value], f"{output}/back", perm=[0, 2, 1, 3])
        return self.reshape(back, [0, 0, -1], output)

    def attend(
        self, query: str, key: str, value: str, mask: str | None, scale: float, name: str
    ) -> tuple[str, str]:
        """Scaled dot-product attention over heads; gives the merged output [B, T, H*D] and the
        weights [B, H, T, S]. `mask` is added to the scores."""
        scores = self.add(
            "FusedMatMul", [query, key], f"{name}/scores", MICROSOFT, transB=1, alpha=scale
        )
        if mask is not None:
            scores = self.add("Add", [scores, mask], f"{name}/masked")
        weights = self.add("Softmax", [scores], f"{name}/weights", axis=-1)
        mixed = self.add("MatMul", [weights, value], f"{name}/mixed")
        return self.merge_heads(mixed, f"{name}/merged"), weights

    def save(
        self, path: Path, inputs: list[onnx.ValueInfoProto], outputs: Mapping[str, int]
    ) -> None:
        """Write the graph; `outputs` are names and element types."""
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            inputs,
            [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
            list(self._weights.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=9,
        )
        path.write_bytes(model.SerializeToString())
