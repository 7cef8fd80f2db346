"""Whether music is heard: the real weights on real speech and on a tune."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.sounds.classifier import AHEAD_FRAMES, KINDS, SoundClassifier, SoundStream
from streamer.models.sounds.features import N_BINS, power_frames
from streamer.models.store.catalog import SOUNDS
from streamer.models.store.zoo import Zoo
from tests.models.tunes import tune


@pytest.fixture(scope="module")
def classifier() -> SoundClassifier:
    return SoundClassifier(Zoo().path(SOUNDS.name, "sounds.onnx"))


def told(classifier: SoundClassifier, samples: Floats, kind: str) -> Floats:
    """Of each frame that was judged."""
    stream = SoundStream(classifier)
    return stream.probabilities(samples)[AHEAD_FRAMES:, KINDS.index(kind)]


def test_a_tune_is_music_and_speech_is_speech(classifier: SoundClassifier) -> None:
    assert np.mean(told(classifier, tune(8), "music")) > 0.9
    clip = max(bundled_speech(), key=lambda clip: len(clip.text))
    speech = read_samples(clip.path)
    assert np.mean(told(classifier, speech, "speech")) > 0.8
    assert np.mean(told(classifier, speech, "music")) < 0.1


def test_sound_may_come_in_pieces(classifier: SoundClassifier) -> None:
    samples = tune(6)
    whole = SoundStream(classifier).probabilities(samples)
    stream, pieces = SoundStream(classifier), []
    for piece in np.split(samples, [100, 5_000, 5_001, 40_000]):
        pieces.append(stream.probabilities(piece))
    assert np.concatenate(pieces) == pytest.approx(whole, abs=1e-3)
    assert not len(pieces[0])  # less than a frame


def test_a_tone_is_in_the_bin_of_its_pitch() -> None:
    at = np.arange(16_000) / 16_000
    power = power_frames((0.5 * np.sin(2 * np.pi * 1_000 * at)).astype(np.float32))
    assert power.shape == (98, N_BINS)
    assert power[50].argmax() == 32  # of 31.25 Hz


def test_what_is_no_such_model_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "sounds.onnx"
    with pytest.raises(ModelMissingError, match="no model of sounds"):
        SoundClassifier(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelCorruptError, match="is not a model"):
        SoundStream(SoundClassifier(path)).probabilities(tune(1))
