from __future__ import annotations

import json
import random
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch

from streamer.models.fusion.soft_tokens import LAYER_FILE
from streamer.models.fusion.trained import SETTINGS_FILE
from streamer.models.onnx.lora import LORA_FILE
from streamer.models.train.fusion.ablation import (
    best_choice,
    by_weights,
    compare,
    controlled,
    fitted_weights,
    judge,
    load_trained,
    trained,
)
from streamer.models.train.fusion.ablation import main as ablation
from streamer.models.train.fusion.config import FusionTrainConfig, layer_config
from streamer.models.train.fusion.data import Decision, Kind, Option, save_decisions
from streamer.models.train.fusion.export import export_fusion, export_layer
from streamer.models.train.fusion.layer import FusionLayer
from streamer.models.train.fusion.llm import LoraConfig
from streamer.models.train.fusion.modalities import Features, FusionLayerConfig, StrategyName
from streamer.models.train.fusion.score import Inputs, fewer_options, listwise_loss, swapped
from streamer.models.train.fusion.strategies import STRATEGIES
from streamer.models.train.fusion.train import excess_errors, fused_scores, train
from tests.models.tiny_gemma import write_tiny_gemma

pytestmark = pytest.mark.slow


def heard(loud: bool, seed: int) -> np.ndarray:
    """Frames whose first half of channels tells which word was said."""
    frames = np.random.default_rng(seed).standard_normal((24, 288))
    frames[:, :144] += 2.0 if loud else -2.0
    return frames.astype(np.float16)


def question(loud: bool, seed: int, kind: Kind = "stream") -> Decision:
    """Acoustics and LLM cannot tell `w1` from `w2`; the sound can."""
    options = (Option("w1", -1.0, -3.0, 0 if loud else 1), Option("w2", -1.0, -3.0, int(loud)))
    emotion = np.zeros((0, 160), np.float16)
    return Decision("x", kind, "w5", "", options, heard(loud, seed), emotion)


def test_the_loss_asks_for_any_of_the_right_options() -> None:
    options = (Option("a", 0, 0, 1), Option("b", 0, 0, 1), Option("c", 0, 0, 2))
    decision = replace(question(True, 0), options=options)
    scores = torch.tensor([1.0, 2.0, 0.0])
    expected = -scores.softmax(dim=0)[:2].sum().log()
    assert listwise_loss(scores, decision).item() == pytest.approx(expected.item(), abs=1e-6)


def test_fewer_options_keep_a_right_and_a_wrong_one() -> None:
    options = tuple(Option(str(i), -float(i), 0, 0 if i == 5 else 1) for i in range(6))
    kept = fewer_options(replace(question(True, 0), options=options), 3, random.Random(0)).options
    assert [kept[0].text, kept[1].text, len(kept)] == ["5", "0", 3]


def test_controls_take_the_sound_of_others_and_nothing_else() -> None:
    asked = [question(bool(i % 2), i) for i in range(6)]
    others = swapped(asked, 0, audio=True)
    assert [d.options for d in others] == [d.options for d in asked]
    assert {d.audio.tobytes() for d in others} == {d.audio.tobytes() for d in asked}
    assert any(not np.array_equal(a.audio, b.audio) for a, b in zip(asked, others, strict=True))


def test_weights_are_fitted_and_choices_counted() -> None:
    likely = (Option("a", -1.0, -9.0, 1), Option("b", -1.2, -5.0, 0))
    unlikely = (Option("a", -1.0, -5.0, 0), Option("b", -3.0, -4.0, 1))
    asked = [replace(question(True, 0), options=options) for options in (likely, unlikely)]
    w_llm, _ = fitted_weights(asked)
    assert 0.05 < w_llm < 2.0
    recordings = [asked, [question(True, 0, "clip")]]
    found = {
        name: judge(recordings, choose)
        for name, choose in (
            ("draft", by_weights(0.0)),
            ("fitted", by_weights(w_llm)),
            ("best", best_choice),
        )
    }
    assert found["draft"].excess.tolist() == [1, 0]
    assert found["fitted"].excess.tolist() == [0, 0]
    rows = compare(found, np.array([10, 10]), "draft")
    assert rows[0]["excess_difference"] == 0
    assert rows[1]["excess_difference"] == -5.0


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fusion trained to hear which word was said, in a few seconds."""
    folder = tmp_path_factory.mktemp("fusion")
    (folder / "llm").mkdir()
    write_tiny_gemma(folder / "llm")
    for index in range(40):
        speaker = "251" if index % 5 == 0 else "1272"
        asked = [question(bool(index % 2), index)]
        save_decisions(folder / "cache" / "librispeech" / f"{speaker}-{index}.npz", asked)
    config = FusionTrainConfig(
        inputs=Inputs(audio=True),
        layer=layer_config("weighted", "parallel", ["audio", "emotion"]),
        lora=LoraConfig(rank=2, first_layer=0),
        epochs=8,
        batch_size=4,
        patience=99,
        attention_bias=0.0,
        layer_lr=3e-3,
    )
    train(config, folder / "cache", folder / "llm", folder)
    return folder


def test_training_learns_to_listen(work: Path) -> None:
    model, config = load_trained(work, work / "llm")
    asked = [question(bool(i % 2), 100 + i) for i in range(20)]
    assert excess_errors(asked, fused_scores(model, asked, config.inputs)) <= 2
    deaf = controlled(trained(model, config.inputs), audio=True)
    assert excess_errors(asked, deaf(asked)) >= 4


def test_the_ablation_judges_recordings_of_others(work: Path, tmp_path: Path) -> None:
    texts = []
    for index in range(6):
        asked = [question(bool(index % 2), 200 + index, kind) for kind in ("stream", "clip")]
        save_decisions(tmp_path / "cache" / "librispeech" / f"84-{index}.npz", asked)
        texts.append({"id": str(index), "speaker": "84", "path": "none", "text": "W1"})
    learned = [question(bool(i % 2), i) for i in range(4)]
    save_decisions(tmp_path / "cache" / "librispeech" / "1272-0.npz", learned)
    manifest = tmp_path / "asr" / "librispeech" / "manifest.jsonl"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
    places = {"--decisions": tmp_path / "cache", "--data": tmp_path, "--llm": work / "llm"}
    out = tmp_path / "ablation.json"
    options = [str(word) for pair in places.items() for word in pair]
    ablation([*options, "--recordings", "5", "--out", str(out), f"heard={work}"])
    results = json.loads(out.read_text(encoding="utf-8"))
    assert (results["recordings"], results["words"]) == (5, 5)
    assert results["modality_shares"]["heard"]["audio"] == pytest.approx(1.0)
    errors = {row["variant"]: row["errors_percent"] for row in results["against_draft"]}
    assert errors["best of the candidates"] == 0 <= errors["heard"] < errors["draft"]
    assert {"LLM", "heard, audio of others", "heard, without audio"} < set(errors)


def test_training_goes_on_from_its_checkpoint(work: Path, tmp_path: Path) -> None:
    config = FusionTrainConfig(
        lora=LoraConfig(rank=2, first_layer=0), epochs=1, batch_size=8, patience=99, evaluations=1
    )
    train(config, work / "cache", work / "llm", tmp_path)
    further = replace(config, epochs=2)
    trainer = train(further, work / "cache", work / "llm", tmp_path, resume=True)
    assert (trainer.epoch, trainer.looks) == (2, 3)


def test_the_command_leaves_what_can_be_loaded(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ["--decisions", str(work / "cache"), "--llm", str(work / "llm")]
    monkeypatch.setattr(sys, "argv", ["fusion", *places, "--work", str(tmp_path), "--frozen"])
    runpy.run_module("streamer.models.train.fusion.train", run_name="__main__", alter_sys=True)
    _, config = load_trained(tmp_path, work / "llm")
    assert config.lora.rank == 0
    assert json.loads((tmp_path / "export" / SETTINGS_FILE).read_text())["layer"] is None


def test_what_is_exported_holds_layer_updates_and_settings(work: Path, tmp_path: Path) -> None:
    model, config = load_trained(work, work / "llm")
    export_fusion(model, config.inputs, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / LAYER_FILE)
    frames = heard(True, 7).astype(np.float32)
    tokens, mask, weights = session.run(
        None,
        {
            "audio": frames,
            "audio.mask": np.ones(len(frames), np.bool_),
            "emotion": np.zeros((1, 160), np.float32),
            "emotion.mask": np.zeros(1, np.bool_),
        },
    )
    expected = model.soft_tokens([question(True, 7)], config.inputs)
    assert expected is not None
    np.testing.assert_allclose(tokens[mask], expected.tokens[0].detach(), atol=1e-3)
    np.testing.assert_allclose(weights[mask], [[1.0, 0.0]] * 3, atol=1e-6)
    assert (tmp_path / LORA_FILE).stat().st_size > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("arrangement", ["parallel", "serial", "hybrid"])
def test_every_layer_gives_the_same_as_a_graph(
    strategy: StrategyName, arrangement: str, tmp_path: Path
) -> None:
    if strategy == "cross_attention" and arrangement == "hybrid":
        pytest.skip("there the text asks")
    config: FusionLayerConfig = layer_config(strategy, arrangement, ["audio", "emotion"])
    torch.manual_seed(0)
    layer = FusionLayer(config).eval()
    export_layer(layer, tmp_path / "layer.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx")
    widths = {"audio": 288, "emotion": 160, "text": 640}
    wanted = {each.name for each in session.get_inputs()}
    for lengths in ((30, 9, 5), (3, 1, 1)):
        feed: dict[str, npt.NDArray[np.generic]] = {}
        features: dict[str, Features] = {}
        for (name, width), n in zip(widths.items(), lengths, strict=True):
            values, mask = torch.randn(n, width), torch.arange(n) < max(1, n - 2)
            features[name] = Features(values[None], mask[None])
            feed |= {name: values.numpy(), f"{name}.mask": mask.numpy()}
        soft = layer(features)
        tokens, mask, weights = session.run(None, {k: v for k, v in feed.items() if k in wanted})
        assert mask.tolist() == soft.mask[0].tolist()
        np.testing.assert_allclose(tokens[mask], soft.tokens[soft.mask].detach(), atol=1e-4)
        np.testing.assert_allclose(weights[mask], soft.weights[soft.mask].detach(), atol=1e-5)
