from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import (
    LABELS,
    MIN_WINDOW_S,
    TELLING_S,
    ClipOptions,
    EmotionClassifier,
    EmotionScores,
    Samples,
)
from streamer.models.emotion.track import SHOWN_FROM, UNKNOWN, EmotionTrack, TrackOptions
from streamer.models.errors import ModelCorruptError, ModelMissingError

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "models" / "weights" / "emotion.onnx"
CREMA_D = ROOT.parent / "shared" / "data" / "emotion" / "crema_d"
# Of the test speakers, whom training never heard.
REGRESSION_SPEAKERS = ("crema_1010", "crema_1052")
REGRESSION_FLOOR = 0.65


@pytest.fixture(scope="module")
def model() -> EmotionClassifier:
    return EmotionClassifier(WEIGHTS)


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(int(seconds * SAMPLE_RATE))).astype(np.float32)


def distance(one: EmotionScores, other: EmotionScores) -> float:
    return max(abs(one.probs[name] - other.probs[name]) for name in LABELS)


@pytest.mark.parametrize("seconds", [MIN_WINDOW_S, 0.97, 3.0, 6.0, 9.0])
def test_windows_of_any_length_give_a_distribution(
    model: EmotionClassifier, seconds: float
) -> None:
    scores = model.predict(noise(seconds))
    assert tuple(scores.probs) == LABELS
    assert sum(scores.probs.values()) == pytest.approx(1, abs=1e-12)
    assert all(0 <= p <= 1 for p in scores.probs.values())
    assert scores.best == max(LABELS, key=lambda name: scores.probs[name])


def test_the_same_window_gives_the_same_scores(model: EmotionClassifier) -> None:
    assert model.predict(noise(2)) == model.predict(noise(2))


def test_loudness_and_offset_are_no_cue(model: EmotionClassifier) -> None:
    reference = model.predict(noise(2))
    assert distance(reference, model.predict(noise(2, level=0.005))) < 0.05
    assert distance(reference, model.predict(noise(2) + np.float32(0.05))) < 0.05


def test_the_band_above_the_training_data_is_no_cue(model: EmotionClassifier) -> None:
    window = noise(2)
    hertz = np.fft.rfftfreq(len(window), 1 / SAMPLE_RATE)
    limited = np.fft.irfft(np.fft.rfft(window) * (hertz < 5_600), n=len(window))
    assert distance(model.predict(window), model.predict(limited.astype(np.float32))) < 0.1


def test_too_short_a_window_is_refused(model: EmotionClassifier) -> None:
    with pytest.raises(ValueError, match=r"needs 0\.4 s"):
        model.predict(noise(0.39))


@pytest.mark.parametrize("call", ["predict", "classify_clip", "features"])
def test_what_is_not_one_channel_of_numbers_is_refused(model: EmotionClassifier, call: str) -> None:
    with pytest.raises(ValueError, match="one channel"):
        getattr(model, call)(noise(2).reshape(2, -1))
    broken = noise(2)
    broken[100] = np.nan
    with pytest.raises(ValueError, match="not a finite number"):
        getattr(model, call)(broken)


def test_a_clip_that_is_too_short_tells_nothing(model: EmotionClassifier) -> None:
    short = model.classify_clip(noise(TELLING_S - 0.05))
    assert list(short.probs.values()) == pytest.approx([1 / 6] * 6)
    assert max(model.classify_clip(noise(TELLING_S)).probs.values()) > 1 / 6 + 1e-3


@pytest.mark.parametrize(
    ("samples", "reason"),
    [(np.zeros(0, np.float32), "is empty"), (np.zeros(SAMPLE_RATE, np.float32), "is silent")],
)
def test_nothing_to_hear_is_said(model: EmotionClassifier, samples: Samples, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        model.classify_clip(samples)


def test_silence_favours_no_class(model: EmotionClassifier) -> None:
    scores = model.predict(np.full(2 * SAMPLE_RATE, 5e-5, np.float32))
    assert list(scores.probs.values()) == pytest.approx([1 / 6] * 6)
    assert EmotionTrack().update(scores, 2 * SAMPLE_RATE).label == UNKNOWN


def test_a_long_clip_is_the_mean_of_its_windows(model: EmotionClassifier) -> None:
    clip = np.tile(noise(3), 4)
    whole = EmotionClassifier(WEIGHTS, options=ClipOptions(window_s=3, hop_s=3)).classify_clip(clip)
    assert distance(whole, model.predict(noise(3))) < 1e-5


def test_silent_windows_of_a_long_clip_do_not_count(model: EmotionClassifier) -> None:
    clip = np.concatenate([noise(3), np.zeros(9 * SAMPLE_RATE, np.float32)])
    classifier = EmotionClassifier(WEIGHTS, options=ClipOptions(window_s=3, hop_s=3))
    assert distance(classifier.classify_clip(clip), model.predict(noise(3))) < 1e-5


def test_features_go_with_the_scores(model: EmotionClassifier) -> None:
    found = model.features(noise(2))
    assert distance(found.scores, model.predict(noise(2))) < 1e-6
    assert found.frames.ndim == 2
    assert found.frames.shape[0] == pytest.approx(2 * 41.7, abs=3)
    with pytest.raises(ValueError, match="at most"):
        model.features(noise(7))


def test_threads_may_share_it(model: EmotionClassifier) -> None:
    windows = [noise(1 + 0.1 * i, seed=i) for i in range(8)]
    alone = [model.predict(window) for window in windows]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model.predict, windows))
    assert together == alone


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"no emotion model at .*none\.onnx"):
        EmotionClassifier(tmp_path / "none.onnx")


def test_a_broken_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelCorruptError, match="not a model that can be loaded"):
        EmotionClassifier(path)


def test_another_model_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [other])
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "other.onnx")
    with pytest.raises(ModelCorruptError, match="not an emotion model"):
        EmotionClassifier(tmp_path / "other.onnx")


def test_senseless_options_are_refused() -> None:
    with pytest.raises(ValueError, match="threads"):
        EmotionClassifier(WEIGHTS, threads=0)
    with pytest.raises(ValueError, match="device"):
        EmotionClassifier(WEIGHTS, device="tpu")
    with pytest.raises(ValueError, match="window_s"):
        ClipOptions(window_s=9)
    with pytest.raises(ValueError, match="hop_s"):
        ClipOptions(hop_s=4)


def test_it_says_from_what_probability_on_a_class_may_be_shown(model: EmotionClassifier) -> None:
    assert set(model.shown_from) <= set(LABELS)
    assert 0.5 < model.shown_from["sad"] < SHOWN_FROM
    sad = EmotionScores(dict.fromkeys(LABELS, 0.08) | {"sad": 0.6})
    track = EmotionTrack(TrackOptions(shown_from_of=model.shown_from))
    assert track.update(sad, SAMPLE_RATE).label == "sad"


def test_the_model_stays_small() -> None:
    assert os.path.getsize(WEIGHTS) < 12e6


@pytest.mark.slow
def test_unheard_speakers_are_told_as_well_as_before(model: EmotionClassifier) -> None:
    if not CREMA_D.is_dir():
        pytest.skip("CREMA-D is not beside the repository (../shared/data/emotion/crema_d)")
    right: dict[str, list[bool]] = {name: [] for name in LABELS}
    from streamer.models.train.emotion.data import read_manifest

    for row in read_manifest(CREMA_D):
        if row["speaker"] in REGRESSION_SPEAKERS:
            samples, _ = soundfile.read(CREMA_D / row["path"], dtype="float32")
            right[row["label"]].append(model.classify_clip(samples).best == row["label"])
    uar = float(np.mean([np.mean(hits) for hits in right.values()]))
    assert uar > REGRESSION_FLOOR
