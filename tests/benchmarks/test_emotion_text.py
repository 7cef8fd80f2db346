from __future__ import annotations

import numpy as np

from benchmarks.emotion_scores import uar
from benchmarks.emotion_text import Heard, difference_interval, likeliest
from models.emotion import LABELS, EmotionScores
from models.emotion_track import EmotionTrack


def said(text: str, label: int) -> Heard:
    track = EmotionTrack()
    track.update(EmotionScores({name: 0.4 if name == "sad" else 0.12 for name in LABELS}), 100, 0)
    return Heard(track, 100, text, label, "anyone")


def test_words_decide_by_their_weight() -> None:
    nats = {name: 2.0 if name == "happy" else 0.0 for name in LABELS}
    clips = [said("hurray", 1), said("alas", 2)]
    words = {"hurray": nats, "alas": dict.fromkeys(LABELS, 0.0)}
    sad, happy = LABELS.index("sad"), LABELS.index("happy")
    assert likeliest(clips, words, 0.0).tolist() == [sad, sad]
    assert likeliest(clips, words, 1.0).tolist() == [happy, sad]


def test_the_interval_holds_the_difference() -> None:
    labels = np.tile(np.arange(6), 20)
    speakers = [f"s{i % 10}" for i in range(len(labels))]
    wrong = np.where(np.arange(len(labels)) % 7 == 0, (labels + 1) % 6, labels)
    assert difference_interval(labels, labels, labels, speakers) == [0.0, 0.0]
    low, high = difference_interval(labels, wrong, labels, speakers)
    assert low <= uar(labels, wrong) - 1 <= high < 0
