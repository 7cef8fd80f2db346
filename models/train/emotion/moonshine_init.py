"""Read Moonshine tiny's encoder from its ONNX Runtime file into a PyTorch state dict.

The file ships in the MIT-licensed wheel `moonshine-voice` (`assets/tiny-en/encoder_model.ort`).
Matrix weights are stored as unsigned 8-bit integers with one scale and zero point each; they are
widened to float32 here, which is exact. The names returned are those of
`streamer.models.train.emotion.net.SpeechEncoder`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from onnx import TensorProto, numpy_helper
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
    InferenceSession as OrtFile,
)

_N_LAYERS: Final = 6
_PROJECTIONS: Final = {
    "q": "self_attn/q_proj",
    "k": "self_attn/k_proj",
    "v": "self_attn/v_proj",
    "out": "self_attn/o_proj",
    "up": "mlp/fc1",
    "down": "mlp/fc2",
}
_PLAIN: Final = {
    "conv1.weight": "conv1.weight_add_tensor",
    "conv2.weight": "conv2.weight_add_tensor",
    "conv2.bias": "conv2.bias",
    "conv3.weight": "conv3.weight_add_tensor",
    "conv3.bias": "conv3.bias",
}


class EncoderFileError(ValueError):
    """The file is not the Moonshine encoder that this module knows how to read."""


def load_moonshine_encoder(path: Path, n_layers: int) -> dict[str, torch.Tensor]:
    """The convolutions and the first `n_layers` transformer layers of the shipped encoder.

    Args:
        path: `encoder_model.ort` from the wheel.
        n_layers: 0 to 6.

    Raises:
        EncoderFileError: not an ONNX Runtime file, or not this encoder.
    """
    if not 0 <= n_layers <= _N_LAYERS:
        raise ValueError(f"the encoder has {_N_LAYERS} layers, {n_layers} were asked for")
    data = bytearray(path.read_bytes())
    if not OrtFile.InferenceSessionBufferHasIdentifier(data, 0):
        raise EncoderFileError(f"{path.name} is not an ONNX Runtime format file")
    graph = OrtFile.GetRootAs(data, 0).Model().Graph()
    weights = _initializers(graph)
    products = _products(graph)

    def plain(name: str) -> torch.Tensor:
        if name not in weights:
            raise EncoderFileError(f"{path.name} has no weight {name!r}")
        return torch.from_numpy(weights[name].copy())

    state = {ours: plain(theirs) for ours, theirs in _PLAIN.items()}
    # The exporter folded GroupNorm(1, 288) into an instance norm and these two.
    state["norm1.weight"] = plain(_input_of(graph, "/groupnorm/Mul_output_0")).reshape(-1)
    state["norm1.bias"] = plain(_input_of(graph, "/groupnorm/Add_output_0")).reshape(-1)
    for layer in range(n_layers):
        prefix = f"layers.{layer}"
        state[f"{prefix}.norm_attn.weight"] = plain(f"{prefix}.input_layernorm.weight")
        state[f"{prefix}.norm_mlp.weight"] = plain(f"{prefix}.post_attention_layernorm.weight")
        state[f"{prefix}.up.bias"] = plain(f"{prefix}.mlp.fc1.bias")
        state[f"{prefix}.down.bias"] = plain(f"{prefix}.mlp.fc2.bias")
        for ours, theirs in _PROJECTIONS.items():
            place = f"/{prefix}/{theirs}"
            if place not in products:
                raise EncoderFileError(f"{path.name} has no matrix product at {place!r}")
            stem = products[place]
            scale, zero = plain(f"{stem}_scale"), plain(f"{stem}_zero_point")
            wide = (plain(f"{stem}_quantized").float() - zero.float()) * scale
            state[f"{prefix}.{ours}.weight"] = wide.t().contiguous()
    return state


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _initializers(graph: Any) -> dict[str, np.ndarray[Any, Any]]:
    found = {}
    for index in range(graph.InitializersLength()):
        tensor = graph.Initializers(index)
        if tensor.RawDataLength() == 0:
            continue
        proto = TensorProto()
        proto.dims.extend(tensor.Dims(i) for i in range(tensor.DimsLength()))
        proto.data_type = tensor.DataType()
        proto.raw_data = tensor.RawDataAsNumpy().tobytes()
        found[_text(tensor.Name())] = numpy_helper.to_array(proto)
    return found


def _nodes(graph: Any) -> Iterator[tuple[list[str], list[str]]]:
    for index in range(graph.NodesLength()):
        node = graph.Nodes(index)
        yield (
            [_text(node.Inputs(i)) for i in range(node.InputsLength())],
            [_text(node.Outputs(i)) for i in range(node.OutputsLength())],
        )


def _products(graph: Any) -> dict[str, str]:
    """Place of each quantized matrix product -> common stem of its weight's names."""
    found = {}
    for inputs, outputs in _nodes(graph):
        stems = [n.removesuffix("_quantized") for n in inputs if n.endswith("_quantized")]
        stems = [stem for stem in stems if stem.startswith("onnx::MatMul_")]
        if len(stems) == 1:
            found[outputs[0].rsplit("/", 1)[0]] = stems[0]
    return found


def _input_of(graph: Any, output: str) -> str:
    """The weight that the node giving `output` takes beside its data."""
    for inputs, outputs in _nodes(graph):
        if output in outputs:
            return inputs[1]
    raise EncoderFileError(f"no node gives {output!r}")
