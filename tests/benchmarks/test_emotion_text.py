from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.emotion_scores import uar
from benchmarks.emotion_text import Heard, closing_marks, difference_interval, likeliest
from streamer.models.emotion.classifier import LABELS, EmotionScores
from streamer.models.emotion.track import EmotionTrack
from streamer.models.llm.contract import Ask


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


def test_marks_are_compared_with_a_full_stop_behind_each_sentence() -> None:
    class Scorer:
        def context(self, text: str) -> str:
            return text

        def score(self, asks: Sequence[Ask]) -> list[list[float]]:
            (ask,) = asks
            assert str(ask.context).endswith(("hurray", "alas"))
            glad = 2.0 * ("(happy)" in str(ask.context)) + ("hurray" in str(ask.context))
            return [[{".": -1.0, "!": -4.0 + glad, "?": -9.0}[mark] for mark in ask.texts]]

    found = closing_marks(Scorer(), ["hurray!", "alas."])  # type: ignore[arg-type]
    assert found["nothing"] == {"!": -2.5, "?": -8.0}
    assert found["happy"] == {"!": -0.5, "?": -8.0}
    assert found["sad"] == found["nothing"]
