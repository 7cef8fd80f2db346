from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emotion.shown import Shown, Viewer, sureness
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.decoding.loading import VAD_FILE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, EmotionScores, Samples
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo


class Sad(EmotionClassifier):
    """Hears sadness in everything, so sure."""

    def __init__(self, sure: float) -> None:
        self.shown_from = {"sad": 0.7}
        self._probs = dict.fromkeys(LABELS, (1 - sure) / 5) | {"sad": sure}

    def predict(self, samples: Samples) -> EmotionScores:
        return EmotionScores(self._probs)


def watched(sure: float, acted: str) -> Shown:
    shown = Shown()
    vad = VadModel(Zoo().path(SILERO.name, VAD_FILE))
    speech = read_samples(bundled_speech()[0].path)
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    Viewer(Sad(sure), vad).watch(np.concatenate([speech, pause, speech]), acted, shown)
    return shown


def test_segments_are_those_of_a_session_and_counted_if_shown() -> None:
    shown = watched(0.8, "neutral")
    assert [(acted, label) for acted, label, _ in shown.segments] == [("neutral", "sad")] * 2
    found = shown.neutral_summary()
    assert found["shown_percent"] == 100
    assert found["shown_a_minute"] == pytest.approx(60 * 2 / shown.seconds, abs=1e-3)
    assert (found["percent_at"]["0.75"], found["percent_at"]["0.85"]) == (100, 0)


def test_what_is_not_sure_is_not_shown() -> None:
    shown = watched(0.6, "neutral")
    assert {label for _, label, _ in shown.segments} == {"unknown"}
    assert shown.neutral_summary()["shown_percent"] == 0
    assert shown.neutral_summary()["live_windows_percent"] == 0


def test_shown_emotions_are_right_or_wrong() -> None:
    right, wrong = watched(0.9, "sad").acted_summary(), watched(0.9, "angry").acted_summary()
    assert (right["shown"], right["right_of_shown"]) == (1, 1)
    assert (wrong["shown"], wrong["right_of_shown"]) == (1, 0)
    assert wrong["shown_by_emotion"] == {"angry": 1}


def test_only_an_emotion_can_be_sure() -> None:
    assert sureness({"neutral": 0.9, "sad": 0.1}) == 0
    assert sureness({"neutral": 0.2, "sad": 0.8}) == 0.8
    assert sureness({}) == 0
