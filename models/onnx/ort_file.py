"""Reads graphs and weights out of ONNX Runtime format files (flatbuffers)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
from onnx import TensorProto, numpy_helper
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
    InferenceSession as OrtFile,
)

Array = npt.NDArray[Any]


class GraphFormatError(ValueError):
    """The file is not the graph that the caller knows how to read."""


@dataclass(frozen=True)
class Node:
    op_type: str
    inputs: list[str]
    outputs: list[str]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


class ShippedGraph:
    """Nodes and weights of a file, found by name; branches of conditionals are merged in."""

    def __init__(self, path: Path) -> None:
        """Raises GraphFormatError: not an ONNX Runtime format file."""
        data = bytearray(path.read_bytes())
        if not OrtFile.InferenceSessionBufferHasIdentifier(data, 0):
            raise GraphFormatError(f"{path} is not an ONNX Runtime format file")
        self._name = path.name
        self._producer: dict[str, Node] = {}
        self._weights: dict[str, Any] = {}
        self._collect(OrtFile.GetRootAs(data, 0).Model().Graph())

    def _collect(self, graph: Any) -> None:
        for index in range(graph.InitializersLength()):
            tensor = graph.Initializers(index)
            self._weights.setdefault(_text(tensor.Name()), tensor)
        for index in range(graph.NodesLength()):
            node = graph.Nodes(index)
            made = Node(
                _text(node.OpType()),
                [_text(node.Inputs(i)) for i in range(node.InputsLength())],
                [_text(node.Outputs(i)) for i in range(node.OutputsLength())],
            )
            branches = [node.Attributes(i).G() for i in range(node.AttributesLength())]
            for branch in filter(None, branches):
                self._collect(branch)
            for name in made.outputs:
                self._producer.setdefault(name, made)

    def node(self, output: str, *op_types: str) -> Node:
        """The node that gives the value `output`.

        Raises:
            GraphFormatError: there is none of these types.
        """
        found = self._producer.get(output)
        if found is None or found.op_type not in op_types:
            wanted = " or ".join(op_types)
            raise GraphFormatError(f"{self._name} has no {wanted} giving {output!r}")
        return found

    def weight(self, name: str) -> Array:
        """Raises GraphFormatError: there is no such weight."""
        if name not in self._weights:
            raise GraphFormatError(f"{self._name} has no weight {name!r}")
        tensor = self._weights[name]
        proto = TensorProto()
        proto.dims.extend(tensor.Dims(i) for i in range(tensor.DimsLength()))
        proto.data_type = tensor.DataType()
        if tensor.RawDataLength() > 0:
            proto.raw_data = tensor.RawDataAsNumpy().tobytes()
        values: Array = numpy_helper.to_array(proto)
        return values
