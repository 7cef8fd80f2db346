"""The formulas against the nodes of real graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.cpu_spans import shapes_of
from benchmarks.flops import GemmaSize, Work, gemma_body, gemma_head, linear
from benchmarks.graph_flops import counted
from benchmarks.roofline import work_of
from tests.speech_models import MoonshineFiles

SIZES = {"A": 1, "B": 2, "F": 8, "J": 17, "N": 4_096, "P": 5, "S": 50, "T": 3}
"""Of the dimensions that the graphs leave open."""


def _feed(path: Path) -> dict[str, Any]:
    """Ones in the shapes that the graph wants."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return {
        value.name: np.ones(
            [_size(dim) for dim in value.shape],
            np.int64 if value.type == "tensor(int64)" else np.float32,
        )
        for value in session.get_inputs()
    }


def _size(dim: int | str) -> int:
    return dim if isinstance(dim, int) else sum(SIZES[name] for name in dim.split(" + "))


def test_every_speech_graph_does_the_work_it_is_priced_at(moonshine_files: MoonshineFiles) -> None:
    paths = list(moonshine_files.graphs.glob("*.onnx"))
    assert paths
    for path in paths:
        feed = _feed(path)
        expected = work_of(path.name, shapes_of(feed), Path())
        assert expected is not None, path.name
        found = counted(path, feed)
        assert (found.float_ops, found.int8_ops) == (expected.float_ops, expected.int8_ops)


def test_a_convolution_and_products_of_floats(tmp_path: Path) -> None:
    """[1, 3, 10] -conv-> [1, 4, 4] -matmul-> [1, 4, 5] -gemm, turned-> [5, 2]"""
    weights = {"k": (4, 3, 3), "w": (4, 5), "g": (4, 2)}
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], strides=[2]),
        helper.make_node("MatMul", ["c", "w"], ["m"]),
        helper.make_node("Squeeze", ["m"], ["s"]),
        helper.make_node("Gemm", ["s", "g"], ["y"], transA=1),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(s, np.float32), name) for name, s in weights.items()],
    )
    path = tmp_path / "graph.onnx"
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    found = counted(path, {"x": np.zeros((1, 3, 10), np.float32)})
    assert found.float_ops == 2 * (4 * 4 * 9 + 4 * 5 * 4 + 5 * 2 * 4)
    assert found.int8_ops == 0


def test_an_llm_costs_its_parameters_twice_for_each_token() -> None:
    """100.3 million in the layers and 167.8 million in the vocabulary of the 270M model."""
    size = GemmaSize()
    assert gemma_body(size, 1, 0).int8_ops == pytest.approx(2 * 100.3e6, rel=0.001)
    assert gemma_head(size, 1).int8_ops == pytest.approx(2 * 167.8e6, rel=0.001)


def test_weights_are_read_once_however_many_rows() -> None:
    one, many = linear(1, 288, 1_152), linear(16, 288, 1_152)
    assert many.ops == 16 * one.ops
    assert many.bytes < 2 * one.bytes
    assert one + one == one * 2
    assert Work() + one == one
