from __future__ import annotations

from pathlib import Path

import pytest

from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.onnx.ort_file import GraphFormatError, ShippedGraph
from tests.speech_models import MoonshineFiles


def test_nodes_and_weights_are_found_by_name(moonshine_files: MoonshineFiles) -> None:
    graph = ShippedGraph(moonshine_files.encoder)
    assert graph.weight("conv2.weight_add_tensor").shape == (576, 288, 7)
    node = graph.node("/conv2/Conv_output_0", "Conv")
    assert node.inputs[1:] == ["conv2.weight_add_tensor", "conv2.bias"]
    with pytest.raises(GraphFormatError, match=r"encoder_model.ort has no MatMul giving"):
        graph.node("/conv2/Conv_output_0", "MatMul")


def test_a_file_that_lost_a_weight_is_refused(
    moonshine_files: MoonshineFiles, tmp_path: Path
) -> None:
    name = b"model.decoder.layers.5.mlp.fc2.bias_merged_0"
    broken = tmp_path / "decoder.ort"
    broken.write_bytes(moonshine_files.decoder.read_bytes().replace(name, b"x" + name[1:], 1))
    with pytest.raises(GraphFormatError, match=r"decoder.ort has no weight '.odel.decoder.layers"):
        DecoderWeights.read(ShippedGraph(broken))


@pytest.mark.parametrize("content", [b"", b"OR", b"no model at all" * 100])
def test_garbage_is_refused(content: bytes, tmp_path: Path) -> None:
    garbage = tmp_path / "decoder.ort"
    garbage.write_bytes(content)
    with pytest.raises(GraphFormatError, match="not an ONNX Runtime format file"):
        ShippedGraph(garbage)
