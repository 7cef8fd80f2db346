from __future__ import annotations

import ctranslate2
import numpy as np
import pytest
import torch

from benchmarks.research.emotion_listener import (
    CALM_SHARE,
    Head,
    WhisperLayers,
    pooled,
    shown_rightly,
    spectra,
)
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.models.emotion.classifier import LABELS
from streamer.models.store.catalog import WHISPER_BASE
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.judge_graph import WEIGHTS_FILE
from streamer.models.whisper.loading import listener_folder

NEUTRAL, HAPPY, SAD = (LABELS.index(label) for label in ("neutral", "happy", "sad"))


@pytest.fixture(scope="module")
def speech() -> Floats:
    return read_samples(bundled_speech()[0].path)


def test_the_layers_compute_what_ctranslate2_computes(speech: Floats) -> None:
    weights = listener_folder(WHISPER_BASE.name, Zoo()) / WEIGHTS_FILE
    mels = spectra(speech[: 4 * SAMPLE_RATE], None).astype(np.float32)[None]
    layers = WhisperLayers(weights, 6)
    ours = layers.normed("encoder/layer_norm", layers(torch.from_numpy(mels))[-1]).numpy()
    whisper = ctranslate2.models.Whisper(str(weights.parent), compute_type="float32")
    theirs = np.array(whisper.encode(ctranslate2.StorageView.from_array(mels)))
    assert ours.shape == theirs.shape
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


def test_clips_are_pooled_in_their_order_whatever_their_lengths(speech: Floats) -> None:
    layers = WhisperLayers(listener_folder(WHISPER_BASE.name, Zoo()) / WEIGHTS_FILE, 1)
    clips = [speech[: int(seconds * SAMPLE_RATE)] for seconds in (3, 0.2, 1)]
    (alone,) = pooled(layers, clips[:1], None)
    together = pooled(layers, [*clips, clips[0]], None)
    assert torch.equal(together[0], together[3])
    assert not torch.allclose(together[0], together[2], atol=0.1)
    assert alone.shape == together[0].shape


def test_narrow_spectra_hide_what_is_soft(speech: Floats) -> None:
    wide, narrow = spectra(speech, None), spectra(speech, 3.0)
    assert np.ptp(narrow) == pytest.approx(3 / 4, abs=1e-3)
    loud = wide > narrow.min() + 1e-4
    assert np.array_equal(wide[loud], narrow[loud])


def test_the_head_learns_what_tells_two_emotions_apart() -> None:
    draw = np.random.default_rng(0)
    states = torch.from_numpy(draw.standard_normal((512, 8)).astype(np.float32))
    labels = torch.where(states[:, 0] > 0, HAPPY, SAD)
    heard = Head(states, labels)(states).argmax(axis=1)
    assert (heard == labels.numpy()).mean() > 0.9


def test_as_much_is_shown_as_read_speech_allows() -> None:
    def sure(label: int, probability: float) -> list[float]:
        row = np.full(len(LABELS), (1 - probability) / (len(LABELS) - 1))
        row[label] = probability
        return row.tolist()

    read = [sure(SAD, 0.3 + 0.001 * at) for at in range(300)] + [sure(NEUTRAL, 0.99)] * 300
    acted = [sure(HAPPY, 0.7), sure(HAPPY, 0.65), sure(SAD, 0.5), sure(NEUTRAL, 0.9)]
    labels = np.array([HAPPY, SAD, SAD, NEUTRAL])
    told = shown_rightly(np.array(acted, np.float32), labels, np.array(read, np.float32))
    assert CALM_SHARE == 0.01
    assert told["shown_from"] == pytest.approx(0.594, abs=0.002)
    assert told["shown"] == pytest.approx(2 / 3, abs=1e-3)
    assert told["right_of_shown"] == 0.5
