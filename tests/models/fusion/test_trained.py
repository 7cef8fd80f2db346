from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.models.errors import ModelCorruptError, ModelError, ModelMissingError
from streamer.models.fusion.audio_aware import AudioAwareFusion
from streamer.models.fusion.score import Candidate, FusionWeights
from streamer.models.fusion.soft_tokens import LAYER_FILE
from streamer.models.fusion.trained import SETTINGS_FILE, read_fusion
from streamer.models.llm.gemma_graph import build_graphs
from streamer.models.llm.loading import open_llm
from streamer.models.onnx.lora import merge_lora
from streamer.models.store.catalog import MOONSHINE
from streamer.models.train.fusion.ablation import load_trained
from streamer.models.train.fusion.export import export_fusion
from tests.models.tiny_gemma import tiny_source
from tests.models.train.fusion.test_train import heard, question, work

__all__ = ["work"]
CANDIDATES = [Candidate("w1", -1.0), Candidate("w2", -1.0)]


@pytest.fixture(scope="module")
def exported(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    model, config = load_trained(work, work / "llm")
    export_fusion(model, config.inputs, folder)
    return folder


@pytest.fixture(scope="module")
def served(
    work: Path,
    exported: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AudioAwareFusion:
    """The trained fusion as a session has it: eight-bit graphs, no torch."""
    graphs = tmp_path_factory.mktemp("graphs")
    trained = read_fusion(exported, speech_model=MOONSHINE.name)
    assert trained.lora is not None
    assert trained.inputs is not None
    source = tiny_source(work / "llm")
    build_graphs(replace(source, weights=merge_lora(source.weights, trained.lora)), graphs)
    weights = trained.weights(FusionWeights())
    return AudioAwareFusion(open_llm(graphs, threads=1), weights, "w5", trained.inputs)


def test_served_it_hears_what_it_was_trained_to_hear(served: AudioAwareFusion) -> None:
    right = 0
    for seed in range(100, 120):
        loud = bool(seed % 2)
        served.set_features("audio", heard(loud, seed).astype(np.float32))
        first, second = served.terms(CANDIDATES)
        right += (first.total > second.total) == loud
        assert first.shares == second.shares == {"audio": 1.0, "emotion": 0.0}
    assert right >= 18


@torch.inference_mode()
def test_served_it_scores_as_in_training(work: Path, served: AudioAwareFusion) -> None:
    model, config = load_trained(work, work / "llm")
    for seed in range(100, 104):
        asked = question(bool(seed % 2), seed)
        trained = model([asked], config.inputs)[0]
        served.set_features("audio", asked.audio.astype(np.float32))
        terms = served.terms(CANDIDATES)
        expected = model.w_llm.item() * float(trained[0] - trained[1])
        assert terms[0].text - terms[1].text == pytest.approx(expected, rel=0.15, abs=0.3)


def test_it_hears_before_the_first_word_too(exported: Path) -> None:
    opened: list[str] = []

    class Scorer:
        def context(self, text: str) -> list[str]:
            opened.append(text)
            return [text]

    inputs = read_fusion(exported, speech_model=MOONSHINE.name).inputs
    assert inputs is not None
    for prompt, expected in (("", "\n"), ("A talk.\n", "A talk.\n")):
        AudioAwareFusion(Scorer(), FusionWeights(), prompt, inputs)  # type: ignore[arg-type]
        assert opened[-1] == expected


def test_what_it_does_not_hear_it_is_not_told(served: AudioAwareFusion) -> None:
    served.set_features("audio", heard(True, 1).astype(np.float32))
    before = served.terms(CANDIDATES)
    served.set_features("emotion", np.ones((9, 160), np.float32))  # it was trained without
    assert served.terms(CANDIDATES) == before


def test_a_folder_that_holds_no_fusion_is_named(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="no trained fusion"):
        read_fusion(tmp_path / "nowhere", speech_model=MOONSHINE.name)
    shutil.copytree(exported, tmp_path / "half")
    (tmp_path / "half" / LAYER_FILE).unlink()
    with pytest.raises(ModelCorruptError, match=f"{LAYER_FILE} is missing"):
        read_fusion(tmp_path / "half", speech_model=MOONSHINE.name)
    (tmp_path / "half" / SETTINGS_FILE).write_text("{}")
    with pytest.raises(ModelCorruptError, match="does not describe"):
        read_fusion(tmp_path / "half", speech_model=MOONSHINE.name)


def test_it_hears_the_speech_model_it_was_trained_on_only(exported: Path) -> None:
    with pytest.raises(ModelError, match="trained to hear moonshine"):
        read_fusion(exported, speech_model="elsewhere")


def test_without_updates_and_layer_only_the_weights_are_new(exported: Path, tmp_path: Path) -> None:
    settings = json.loads((exported / SETTINGS_FILE).read_text())
    settings |= {"lora": False, "layer": None, "w_llm": 0.3}
    settings["inputs"]["audio"] = False
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(settings))
    trained = read_fusion(tmp_path, speech_model="elsewhere")
    weights = trained.weights(FusionWeights())
    assert (trained.lora, trained.inputs) == (None, None)
    assert (weights.llm, weights.hot_word) == (0.3, FusionWeights().hot_word)
