from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.emotion.shown import Shown, Viewer, neutral, sureness
from streamer.audio.arrays import Floats
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


class Counting(Viewer):
    """Notes how long each recording is, and listens to none."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def watch(self, samples: Floats, acted: str, shown: Shown) -> None:
        self.heard.append(len(samples))


def test_what_chooses_and_what_judges_are_halves_of_the_recordings(tmp_path: Path) -> None:
    folder = tmp_path / "calm"
    folder.mkdir()
    lengths = (1_000, 2_000, 3_000, 4_000, 5_000)
    for length in lengths:
        soundfile.write(folder / f"{length}.wav", np.zeros(length, np.float32), SAMPLE_RATE)
    lines = "".join(json.dumps({"path": f"{length}.wav"}) + "\n" for length in lengths)
    (folder / "manifest.jsonl").write_text(lines, encoding="utf-8")
    heard = []
    for half in (0, 1, None):
        viewer = Counting()
        neutral(viewer, tmp_path, ["calm"], half=half)
        heard.append(sorted(viewer.heard))
    assert heard == [[1_000, 3_000, 5_000], [2_000, 4_000], list(lengths)]
