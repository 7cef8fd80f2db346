"""Operations of an ONNX graph, counted node by node on the shapes of a real run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from benchmarks.flops import FLOAT, Work

_FLOAT_PRODUCTS: Final = ("MatMul", "FusedMatMul", "Gemm")
_INT8_PRODUCTS: Final = (
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "MatMulNBits",
)


def counted(path: Path, feed: Mapping[str, Any]) -> Work:
    """The work of one pass over `feed`. Graphs inside control flow and recurrent layers are not
    looked at."""
    model = onnx.load(path)
    # onnx's own shape inference knows none of ONNX Runtime's operators; a run knows them all.
    nodes = [node for node in model.graph.node if _counts(node)]
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    wanted = {name for node in nodes for name in (*node.input, *node.output) if name} - set(shapes)
    fed = {value.name for value in model.graph.input}
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in sorted(wanted - known - fed)
    )
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = sorted(wanted - fed)
    shapes |= {
        name: array.shape for name, array in zip(names, session.run(names, feed), strict=True)
    }
    shapes |= {name: np.shape(array) for name, array in feed.items()}
    return sum(_works(nodes, shapes), Work())


def _counts(node: onnx.NodeProto) -> bool:
    return node.op_type in (*_FLOAT_PRODUCTS, *_INT8_PRODUCTS) or node.op_type.endswith("Conv")


def _works(nodes: list[onnx.NodeProto], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Work]:
    for node in nodes:
        given, made = shapes[node.input[0]], shapes[node.output[0]]
        weight = shapes[node.input[1]]
        if node.op_type.endswith("Conv"):
            ops = 2 * prod(made) * prod(weight[1:])
        else:
            ops = 2 * prod(made) * _inner(node, given)
        if node.op_type in _INT8_PRODUCTS:
            yield Work(int8_ops=ops, bytes=prod(weight) + FLOAT * (prod(given) + prod(made)))
        else:
            yield Work(float_ops=ops, bytes=FLOAT * (prod(weight) + prod(given) + prod(made)))


def _inner(node: onnx.NodeProto, given: tuple[int, ...]) -> int:
    """The dimension that a product sums over."""
    turned = any(a.name == "transA" and a.i for a in node.attribute)
    return given[-2] if turned else given[-1]
