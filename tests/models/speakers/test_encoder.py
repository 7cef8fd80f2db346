from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.speakers.encoder import VoiceEncoder
from streamer.models.speakers.features import N_BANDS, mel_frames
from streamer.models.store.catalog import SPEAKERS
from streamer.models.store.zoo import Zoo

WINDOW = 25_600


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    return VoiceEncoder(Zoo().path(SPEAKERS.name, "speakers.onnx"))


def test_a_voice_is_closer_to_itself_than_to_any_other(encoder: VoiceEncoder) -> None:
    readers = [read_samples(clip.path) for clip in bundled_speech() if clip.label is None]
    first = encoder.embed([sound[8_000 : 8_000 + WINDOW] for sound in readers])
    later = encoder.embed([sound[-8_000 - WINDOW : -8_000] for sound in readers])
    assert np.linalg.norm(first, axis=1) == pytest.approx(1, abs=1e-5)
    similar = first @ later.T
    for one, other in combinations(range(len(readers)), 2):
        assert min(similar[one, one], similar[other, other]) > similar[one, other]


def test_soft_sound_is_made_louder_and_silence_is_nobody(encoder: VoiceEncoder) -> None:
    sound = read_samples(next(iter(bundled_speech())).path)[8_000 : 8_000 + WINDOW]
    soft, softer, silent = encoder.embed([0.05 * sound, 0.005 * sound, 0 * sound])
    assert soft @ softer > 0.999
    assert not silent.any()
    with pytest.raises(ValueError, match="at least"):
        encoder.embed([sound[:6_000]])


def test_a_tone_is_in_the_band_of_its_pitch() -> None:
    at = np.arange(WINDOW) / 16_000
    peaks = []
    for hertz in (200, 1_000, 4_000):
        frames = mel_frames(np.sin(2 * np.pi * hertz * at).astype(np.float32))
        assert frames.shape == (1 + WINDOW // 160, N_BANDS)
        peaks.append(int(frames[80].argmax()))
    # Of 40 bands between 0 and 8 kHz: 15 mel are 1 kHz, 45.2 are 8 kHz.
    assert peaks == [2, 13, 31]


def test_what_is_no_such_model_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "speakers.onnx"
    with pytest.raises(ModelMissingError, match="no model of voices"):
        VoiceEncoder(path)
    path.write_bytes(b"nothing")
    broken = VoiceEncoder(path)
    with pytest.raises(ModelCorruptError, match="not a model"):
        broken.embed([np.ones(WINDOW, np.float32)])
