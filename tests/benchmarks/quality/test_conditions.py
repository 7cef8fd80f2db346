from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common import Recording
from benchmarks.quality.conditions import WrongEmotion, clips_before, disputed_words
from streamer.models.emotion.classifier import LABELS, EmotionModel, Samples
from streamer.transcript.ledger import Decision, Segment, Word, WordState


def clip(name: str, text: str, speaker: str = "4") -> Recording:
    return Recording("set", name, (Path("none"),), text, speaker)


def test_context_is_what_was_read_before_in_the_same_chapter() -> None:
    clips = [clip(f"4-1-000{i}", f"SENTENCE {i}") for i in range(4)] + [clip("4-2-0000", "OTHER")]
    before = clips_before(clips)
    assert before["4-1-0000"] == before["4-2-0000"] == []
    assert [one.text for one in before["4-1-0003"]] == ["SENTENCE 1", "SENTENCE 2"]


class Hearing(EmotionModel):
    """Is told what it hears."""

    def __init__(self) -> None:
        super().__init__(LABELS, None)
        self.label = ""

    @property
    def name(self) -> str:
        return "hearing"

    def _probabilities(self, samples: Samples) -> Samples:
        return np.array([0.75 if name == self.label else 0.05 for name in LABELS], np.float32)


def test_wrong_emotions_are_never_the_right_ones_and_change_as_often() -> None:
    told = [*LABELS, "sad", "sad", "angry"]
    speech = np.full(16_000, 0.1, np.float32)
    drawn = set()
    for seed in range(20):
        right = Hearing()
        model = WrongEmotion(right, random.Random(seed))
        found = []
        for right.label in told:
            scores = model.predict(speech)
            found.append(scores.best)
            assert sorted(scores.probs.values()) == pytest.approx([0.05] * 5 + [0.75])
        assert all(wrong != label for wrong, label in zip(found, told, strict=True))
        assert sorted(found[: len(LABELS)]) == sorted(LABELS)
        assert found[-3] == found[-2] == found[told.index("sad")]
        drawn.add(tuple(found))
    assert len(drawn) > 2


def test_disputed_words_are_held_against_the_reference() -> None:
    said = ["The", "see", "-", "is", "calm."]
    decided = {1: Decision("sea", 1.0, -0.5, 0.0), 4: Decision("palm.", -0.25, 1.5, 0.0)}
    words = tuple(
        Word(i, text, i, i, 0.9, WordState.FINAL, 0, decided.get(i)) for i, text in enumerate(said)
    )
    found = disputed_words("THE SEA IS CALM", [Segment(0, 0, 9, words)])
    assert [(d.word, d.right) for d in found] == [("see", False), ("calm.", True)]
