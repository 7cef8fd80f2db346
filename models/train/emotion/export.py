"""Writes a trained emotion network as one small ONNX file.

Matrix products take 8-bit weights and quantize their input as they go (ONNX Runtime's dynamic
quantization); convolution weights are stored as 16-bit floats and widened when the session loads.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS
from streamer.models.train.emotion.certainty import Certainty
from streamer.models.train.emotion.net import EmotionNet

_OPSET = 17


class _Calibrated(nn.Module):
    """Samples [B, N] -> probabilities [B, C] and frames [B, T, D]."""

    def __init__(self, net: EmotionNet, certainty: Certainty) -> None:
        super().__init__()
        self.net = net
        self.certainty = certainty

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        frames = self.net.frames(samples)
        pooled = self.net.pool(frames)
        logits = self.certainty(self.net.head(pooled), pooled, samples.shape[1] / SAMPLE_RATE)
        return logits.softmax(dim=-1), frames


def export_onnx(
    net: EmotionNet,
    certainty: Certainty,
    path: Path,
    *,
    shown_from: Mapping[str, float] = MappingProxyType({}),
    quantize: bool = True,
) -> Path:
    """Exports `net` with what calibrates it.

    Args:
        net: trained; it is put into eval mode.
        certainty: divides the logits.
        path: the file to write.
        shown_from: classes that may be shown from another probability on than is usual.
        quantize: False keeps every weight a float32.

    Returns:
        `path`.
    """
    whole = _Calibrated(net, certainty).eval()
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        with warnings.catch_warnings():
            # The exporter it recommends needs a further package; the sizes traced are fixed.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "Converting a tensor to a Python")
            torch.onnx.export(
                whole,
                (torch.randn(1, 2 * SAMPLE_RATE) * 0.1,),
                str(plain),
                input_names=["samples"],
                output_names=["probabilities", "frames"],
                dynamic_axes={
                    "samples": {0: "batch", 1: "n_samples"},
                    "probabilities": {0: "batch"},
                    "frames": {0: "batch", 1: "n_frames"},
                },
                opset_version=_OPSET,
                dynamo=False,
            )
        if quantize:
            small = Path(folder) / "small.onnx"
            quantize_dynamic(
                plain,
                small,
                op_types_to_quantize=["MatMul", "Gemm"],
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
            plain = small
        model = onnx.load(plain)
    if quantize:
        _halve_convolutions(model)
    labels = ",".join(LABELS)
    properties = {
        "labels": labels,
        "sample_rate": str(SAMPLE_RATE),
        "shown_from": json.dumps(dict(shown_from)),
    }
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _halve_convolutions(model: onnx.ModelProto) -> None:
    """Stores convolution weights as float16 behind a Cast, which is folded at load time."""
    graph = model.graph
    used = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in used or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        wide_name, half_name = tensor.name, f"{tensor.name}_half"
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, half_name))
        casts.append(helper.make_node("Cast", [half_name], [wide_name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
