"""The library's extractor is what the spectra are checked against."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from streamer.audio.arrays import Floats
from streamer.models.whisper.features import HOP_SAMPLES, LogMel
from tests.speech_models import Clip


def theirs(samples: Floats, n_mels: int) -> Floats:
    extract = WhisperFeatureExtractor(feature_size=n_mels)
    made = extract(samples, sampling_rate=16_000, padding="do_not_pad", return_tensors="np")
    features: Floats = made.input_features[0]
    return features


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("padding_s", [0, 4])
def test_speech_gives_what_the_library_gives(
    n_mels: int, padding_s: int, clips: list[Clip]
) -> None:
    samples = np.pad(clips[0].samples, (0, padding_s * 16_000))
    features = LogMel(n_mels)(samples)
    assert features.dtype == np.float32
    assert features.shape == (n_mels, len(samples) // HOP_SAMPLES)
    np.testing.assert_allclose(features, theirs(samples, n_mels), atol=1e-4)


@pytest.mark.parametrize("n_samples", [320, 16_000, 16_159])
def test_noise_and_silence_of_any_length_too(n_samples: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    for samples in (noise, np.zeros(n_samples, np.float32)):
        np.testing.assert_allclose(LogMel(80)(samples), theirs(samples, 80), atol=1e-4)
