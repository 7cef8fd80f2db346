from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier
from streamer.models.train.emotion.augment import AugmentConfig
from streamer.models.train.emotion.certainty import Certainty, CertaintyConfig
from streamer.models.train.emotion.config import TrainConfig
from streamer.models.train.emotion.data import READ_SPEECH, Clip, Split, load_split
from streamer.models.train.emotion.export import export_onnx
from streamer.models.train.emotion.net import EmotionNet, EmotionNetConfig
from streamer.models.train.emotion.train import train
from streamer.models.train.emotion.trainer import Trainer, uar

pytestmark = pytest.mark.slow

TINY_NET = EmotionNetConfig(width=16, n_heads=2, n_layers=1, rotary_dim=4, pool_width=8)
SHORT = AugmentConfig(min_s=0.5, max_s=0.7, cleaned=0.0)
CERTAINTY = CertaintyConfig(opening_s=(0.6,), middle_s=0.6, n_noise=4, augment=SHORT)
TINY = TrainConfig(
    net=TINY_NET,
    epochs=2,
    batch_size=8,
    augment=SHORT,
    dev_window_s=(0.6,),
    certainty=CERTAINTY,
    bfloat16=False,
)
DEV, TEST = ("b",), ("c",)


def tone(label: int, speaker: int, seconds: float = 0.8) -> np.ndarray:
    at = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    rng = np.random.default_rng(100 * label + speaker)
    wave = 0.1 * np.sin(2 * np.pi * (200 + 150 * label) * at) + 0.01 * rng.standard_normal(len(at))
    return np.asarray(wave, np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three speakers who hum a note for each emotion, one clip of an unknown emotion, and one
    long recording in each set of read speech."""
    acted = [
        ({"path": f"{speaker}_{name}.wav", "label": name, "speaker": speaker}, tone(label, number))
        for number, speaker in enumerate("abc")
        for label, name in enumerate((*LABELS, "bored"))
    ]
    read = [({"path": "long.wav", "speaker": "z"}, tone(9, 9, 12.0))]
    for name, clips in (("emotion/crema_d", acted), *((name, read) for name in READ_SPEECH)):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for row, samples in clips:
            soundfile.write(folder / row["path"], samples, SAMPLE_RATE)
        lines = "".join(json.dumps(row) + "\n" for row, _ in clips)
        (folder / "manifest.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path / "data"


def run(data: Path, folder: Path, config: TrainConfig = TINY, **more: Any) -> Path:
    return train(
        config,
        data,
        folder / "out",
        folder / "work",
        encoder=None,
        dev_speakers=DEV,
        test_speakers=TEST,
        **more,
    )


def test_the_recipe_runs_and_the_runtime_loads_what_it_wrote(data: Path, tmp_path: Path) -> None:
    path = run(data, tmp_path)
    scores = EmotionClassifier(path).predict(tone(0, 9))
    assert sum(scores.probs.values()) == pytest.approx(1)
    report = json.loads((tmp_path / "work" / "emotion_train.json").read_text(encoding="utf-8"))
    assert report["best_epoch"] in (1, 2)
    assert any((tmp_path / "work" / "tensorboard").iterdir())


def test_the_same_seed_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    first, second = run(data, tmp_path / "1"), run(data, tmp_path / "2")
    window = tone(2, 9)
    assert EmotionClassifier(first).predict(window) == EmotionClassifier(second).predict(window)


def test_resuming_gives_what_one_run_gives(data: Path, tmp_path: Path) -> None:
    whole = run(data, tmp_path / "whole")
    # The same run, stopped by the clock after its first epoch.
    ticks = itertools.count(0.0, 1.0)
    run(data, tmp_path / "parts", replace(TINY, max_minutes=2.5 / 60), clock=lambda: next(ticks))
    saved = torch.load(tmp_path / "parts" / "work" / "emotion.ckpt", weights_only=False)
    assert saved["epoch"] == 1
    resumed = run(data, tmp_path / "parts", resume=True)
    window = tone(2, 9)
    one = EmotionClassifier(whole).predict(window).probs
    two = EmotionClassifier(resumed).predict(window).probs
    assert one == pytest.approx(two, abs=1e-5)


def test_training_stops_when_dev_no_longer_improves(data: Path, tmp_path: Path) -> None:
    still = replace(TINY, epochs=50, head_lr=0.0, layer_lr=0.0, stem_lr=0.0, patience=2)
    run(data, tmp_path, still)
    saved = torch.load(tmp_path / "work" / "emotion.ckpt", weights_only=False)
    assert saved["epoch"] == 3


def test_clips_are_cleaned_if_the_recipe_says_so(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("webrtc_noise_gain", reason="the tests install it on Linux alone")
    plain = run(data, tmp_path / "1")
    config = replace(TINY, augment=replace(SHORT, cleaned=1.0))
    other = run(data, tmp_path / "2", config)
    window = tone(2, 9)
    assert EmotionClassifier(plain).predict(window) != EmotionClassifier(other).predict(window)


@pytest.mark.parametrize(("misheard", "best"), [(False, 1.0), (True, 0.5)])
def test_it_learns_on_clips_that_differ_and_is_judged_as_a_browser_has_them_too(
    tmp_path: Path, misheard: bool, best: float
) -> None:
    clips = [Clip(tone(label, n), label, "a") for label in (0, 5) for n in range(12)]
    dev = [replace(c, cleaned=tone(5 - c.label, 1)) for c in clips] if misheard else clips
    plain = AugmentConfig(
        min_s=0.6,
        max_s=0.61,
        mixup=0,
        noise=0,
        reverb=0,
        band_limit=0,
        notch=0,
        time_mask=0,
        codec=0,
    )
    config = replace(
        TINY,
        epochs=15,
        head_lr=1e-2,
        layer_lr=3e-3,
        augment=plain,
        ema_decay=0.5,
    )
    trainer = Trainer(config, Split(clips, dev, [], []), tmp_path)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "log")) as writer:
        trainer.run(writer, lambda: 0.0, 1.0)
    assert trainer.epoch in (15, trainer.best_epoch + config.patience)
    assert trainer.best_uar == pytest.approx(best, abs=0.1)


@pytest.mark.parametrize(("quantize", "tolerance"), [(False, 1e-5), (True, 0.02)])
@pytest.mark.parametrize("seconds", [0.4, 1.3])
def test_the_exported_graph_gives_what_torch_gives(
    tmp_path: Path, quantize: bool, tolerance: float, seconds: float
) -> None:
    torch.manual_seed(0)
    net = EmotionNet(TINY_NET).eval()
    certainty = Certainty(2 * TINY_NET.pool_width)
    for parameter in certainty.parameters():
        nn.init.normal_(parameter, std=0.3)
    path = export_onnx(
        net, certainty, tmp_path / "emotion.onnx", shown_from={"sad": 0.6}, quantize=quantize
    )
    window = tone(3, 1, seconds)
    with torch.inference_mode():
        samples = torch.from_numpy(window)[None]
        pooled = net.pool(net.frames(samples))
        expected = certainty(net.head(pooled), pooled, seconds).softmax(dim=-1)[0]
    model = EmotionClassifier(path)
    assert model.shown_from == {"sad": 0.6}
    found = model.predict(window)
    assert list(found.probs.values()) == pytest.approx(expected.tolist(), abs=tolerance)


def test_uar_weighs_classes_alike() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    assert uar(labels, torch.tensor([0, 0, 0, 0]), 6) == pytest.approx(0.5)


def test_read_speech_comes_in_neutral_pieces(data: Path) -> None:
    read = load_split(data, DEV, TEST).read
    # 12 s are two pieces; what is left is too short for a third.
    assert [(len(clip.samples), clip.label) for clip in read] == [
        (5 * SAMPLE_RATE, LABELS.index("neutral"))
    ] * 4


def test_shared_speakers_are_refused(data: Path) -> None:
    with pytest.raises(ValueError, match="both dev and test"):
        load_split(data, ("b",), ("b",))
    with pytest.raises(ValueError, match="no dev clips"):
        load_split(data, ("nobody",), ("c",))
