from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emotion.live import Stream, Turn, Window, growth, judge, listen, steadiness
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, EmotionScores, Samples
from streamer.models.emotion.track import TrackOptions


def scores(label: str, sure: float = 0.9) -> EmotionScores:
    rest = (1 - sure) / (len(LABELS) - 1)
    return EmotionScores({name: sure if name == label else rest for name in LABELS})


def stream(*labels: str) -> Stream:
    """One window a second over a sad and then a happy turn, each half of the windows long."""
    rate = SAMPLE_RATE
    half = len(labels) // 2 * rate
    windows = [
        Window(max(0, (i - 2) * rate), (i + 1) * rate, scores(label))
        for i, label in enumerate(labels)
    ]
    turns = [Turn(0, half, "sad"), Turn(half, 2 * half, "happy")]
    return Stream(windows, turns, [(t.start, t.end) for t in turns])


def test_a_stream_told_right_is_found_right() -> None:
    found = judge([stream(*["sad"] * 8, *["happy"] * 8)], None)
    assert found["right_share_of_all"] == 1
    assert found["turns_found_share"] == 1
    assert found["changes_per_3s"] == 0


def test_only_changes_within_steady_speech_are_held_against_it() -> None:
    # A change at the turn, one in its first 3 s, and two in the steady part of the second turn.
    labels = ["sad"] * 8 + ["happy", "sad", "happy", "happy", "happy", "sad", "happy", "happy"]
    found = steadiness([stream(*labels)], None)
    assert found["changes_per_3s"] == pytest.approx(2 * 3 / 10)


def test_the_track_smooths_what_bare_windows_show() -> None:
    labels = ["sad"] * 8 + ["happy"] * 4 + ["sad"] + ["happy"] * 3
    bare = steadiness([stream(*labels)], None)["changes_per_3s"]
    smooth = steadiness([stream(*labels)], TrackOptions(half_life_s=3.0))["changes_per_3s"]
    assert smooth < bare


def test_growth_sorts_windows_by_what_they_heard() -> None:
    rows = growth([stream(*["sad"] * 4, *["happy"] * 4)])
    assert [row["mean_heard_s"] for row in rows] == [1.0, 2.0, 3.0]
    assert all(row["confidence"] == pytest.approx(0.9) for row in rows)


def test_the_monitor_hears_what_a_session_would() -> None:
    class Deaf(EmotionClassifier):
        def __init__(self) -> None:
            self.heard: list[int] = []

        def predict(self, samples: Samples) -> EmotionScores:
            self.heard.append(len(samples))
            return scores("sad")

    model = Deaf()
    audio = np.zeros(6 * SAMPLE_RATE, np.float32)
    windows = listen(model, audio, [(0, 6 * SAMPLE_RATE)])
    assert [w.end - w.start for w in windows] == model.heard
    assert windows[0].end - windows[0].start == pytest.approx(1.024 * SAMPLE_RATE)
    assert max(model.heard) == 3 * SAMPLE_RATE
    assert windows[-1].end == 6 * SAMPLE_RATE
