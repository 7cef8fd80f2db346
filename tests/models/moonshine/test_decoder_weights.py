from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.onnx.graph_builder import quantized
from streamer.models.onnx.lora import LoraMismatchError
from streamer.models.onnx.ort_file import ShippedGraph
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo


@pytest.fixture(scope="module")
def shipped() -> DecoderWeights:
    return DecoderWeights.read(ShippedGraph(Zoo().path(MOONSHINE.name, "decoder_model_merged.ort")))


def test_a_matrix_survives_eight_bits() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(40, 6)).astype(np.float32) * np.array([1, 5, 0.1, 1, 1, 0])
    made = quantized(weight.astype(np.float32))
    assert made.codes.dtype == np.int8
    steps = (weight.max(axis=0) - weight.min(axis=0)) / 255
    assert np.all(np.abs(made.values() - weight) <= 0.51 * steps + 1e-6)


def test_an_update_changes_its_product_and_no_other(shipped: DecoderWeights) -> None:
    rng = np.random.default_rng(2)
    down, up = rng.normal(size=(2, 288)), rng.normal(size=(288, 2)) / 50
    updates = {"3.cross.q.lora_a": down, "3.cross.q.lora_b": up}
    tuned = shipped.tuned({name: part.astype(np.float16) for name, part in updates.items()})
    before, after = (each.products["3.cross.q"].weight.values() for each in (shipped, tuned))
    np.testing.assert_allclose(after - before, (up @ down).T, atol=0.02)
    for name, product in tuned.products.items():
        if name != "3.cross.q":
            assert product is shipped.products[name]


def test_a_file_that_holds_no_updates_is_refused(tmp_path: Path) -> None:
    shipped = ShippedGraph(Zoo().path(MOONSHINE.name, "decoder_model_merged.ort"))
    (tmp_path / "draft.safetensors").write_text("nothing")
    for name in ("draft.safetensors", "missing.safetensors"):
        with pytest.raises(LoraMismatchError, match=name):
            DecoderWeights.read(shipped, tmp_path / name)


def test_an_update_of_another_decoder_is_refused(shipped: DecoderWeights) -> None:
    half = np.zeros((2, 288), np.float16)
    with pytest.raises(LoraMismatchError, match=r"6\.self\.q"):
        shipped.tuned({"6.self.q.lora_a": half, "6.self.q.lora_b": half.T})
