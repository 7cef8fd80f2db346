"""Tiny random models, built from their configs: what they say is noise, how it is read is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.models.emotion.classifier import LABELS, EmotionClassifier
from streamer.models.emotion.loading import load_emotion_model
from streamer.models.emotion.track import EmotionTrack
from streamer.models.emotion.transformers_classifier import TransformersEmotion, columns
from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.store.zoo import Zoo

NAMES = ("angry", "calm", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def speech(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(int(seconds * 16_000))).astype(np.float32)


def save(folder: Path, kind: str = "Wav2Vec2", names: tuple[str, ...] = NAMES, **more: Any) -> Path:
    """Writes a random model of the library's class `kind` and a feature extractor."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(160, 2),
        conv_kernel=(400, 2),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    getattr(transformers, f"{kind}ForSequenceClassification")(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(**more).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("wav2vec2"))


@pytest.mark.parametrize("kind", ["Wav2Vec2", "Hubert", "WavLM"])
def test_any_family_gives_our_classes_and_unknown(tmp_path: Path, kind: str) -> None:
    model = TransformersEmotion(save(tmp_path, kind))
    scores = model.predict(speech(1.0))
    assert tuple(scores.probs) == (*LABELS, "unknown")
    assert sum(scores.probs.values()) == pytest.approx(1)
    live = EmotionTrack().update(scores, 16_000)
    assert live.label in {*LABELS, "unknown"}


def test_each_class_goes_where_its_name_says(folder: Path) -> None:
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    window = speech(1.5)
    inputs = AutoFeatureExtractor.from_pretrained(folder)(
        window, sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        logits = AutoModelForAudioClassification.from_pretrained(folder)(**inputs).logits[0]
    share = dict(zip(NAMES, logits.softmax(dim=-1).tolist(), strict=True))
    found = TransformersEmotion(folder).predict(window).probs
    assert found["neutral"] == pytest.approx(share["neutral"] + share["calm"], abs=1e-6)
    assert found["sad"] == pytest.approx(share["sadness"], abs=1e-6)
    assert found["unknown"] == pytest.approx(share["surprise"], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ang", "angry"),
        ("Anger", "angry"),
        ("fear", "fearful"),
        ("HAPPINESS", "happy"),
        ("disgusted", "disgust"),
        ("disappointed", None),
        ("surprised", None),
        ("other", None),
    ],
)
def test_names_as_hubs_have_them(name: str, ours: str | None) -> None:
    expected = len(LABELS) if ours is None else LABELS.index(ours)
    assert columns({0: name}).tolist() == [expected]


def test_a_model_without_further_classes_has_no_unknown(tmp_path: Path) -> None:
    model = TransformersEmotion(save(tmp_path, names=("neu", "hap", "ang", "sad")))
    probs = model.predict(speech(1.0)).probs
    assert tuple(probs) == LABELS
    assert probs["disgust"] == 0


def test_long_and_short_clips_are_cut_and_padded_alike(folder: Path) -> None:
    model = TransformersEmotion(folder)
    for seconds in (0.1, 9.0):
        assert sum(model.classify_clip(speech(seconds)).probs.values()) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"needs 0\.4 s"):
        model.predict(speech(0.2))


def test_a_classifier_of_other_things_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorruptError, match="tells yes, no: none of neutral"):
        TransformersEmotion(save(tmp_path, names=("yes", "no")))


def test_another_sample_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorruptError, match="hears 8000 Hz"):
        TransformersEmotion(save(tmp_path, sampling_rate=8_000))


def test_a_language_model_is_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config, Wav2Vec2FeatureExtractor

    GPT2Config().save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ModelCorruptError, match="not a model that classifies audio"):
        TransformersEmotion(tmp_path)


def test_a_folder_with_nothing_in_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="is not complete"):
        load_emotion_model(str(tmp_path), Zoo(tmp_path / "cache"))


def test_an_unreachable_hub_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hub's client, told to stay offline, fails as it does without a network.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelMissingError, match="give its folder instead of the name"):
        load_emotion_model(f"hub:someone/wavlm-emotion@{'1f0e' * 10}", Zoo(tmp_path))


def test_names_lead_to_models(folder: Path, tmp_path: Path) -> None:
    zoo = Zoo(tmp_path)
    assert isinstance(load_emotion_model("emotion", zoo), EmotionClassifier)
    assert load_emotion_model(str(folder), zoo).name == str(folder)
    own = tmp_path / "own"
    own.mkdir()
    (own / "emotion.onnx").write_bytes(zoo.path("emotion", "emotion.onnx").read_bytes())
    assert isinstance(load_emotion_model(str(own), zoo), EmotionClassifier)
    with pytest.raises(ModelMissingError, match=r"choose from .* a folder, or hub:"):
        load_emotion_model("nonesuch", zoo)
