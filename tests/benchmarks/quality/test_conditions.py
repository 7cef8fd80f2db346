from __future__ import annotations

import random
from pathlib import Path

from benchmarks.common import Recording
from benchmarks.quality.conditions import WrongEmotion, clips_before, disputed_words
from streamer.models.emotion.classifier import LABELS
from streamer.transcript.ledger import Decision, Segment, Word, WordState
from tests.speech_fakes import PreferringFusion


def clip(name: str, text: str, speaker: str = "4") -> Recording:
    return Recording("set", name, (Path("none"),), text, speaker)


def test_context_is_what_was_read_before_in_the_same_chapter() -> None:
    clips = [clip(f"4-1-000{i}", f"SENTENCE {i}") for i in range(4)] + [clip("4-2-0000", "OTHER")]
    before = clips_before(clips)
    assert before["4-1-0000"] == before["4-2-0000"] == []
    assert [one.text for one in before["4-1-0003"]] == ["SENTENCE 1", "SENTENCE 2"]


def test_wrong_emotions_are_never_the_right_ones_and_change_as_often() -> None:
    told = [*LABELS, "sad", "sad", "angry"]
    drawn = set()
    for seed in range(20):
        inner = PreferringFusion("")
        fusion = WrongEmotion(inner, random.Random(seed))
        for emotion in told:
            fusion.hear(emotion)
        assert all(wrong != right for wrong, right in zip(inner.emotions, told, strict=True))
        assert sorted(inner.emotions[: len(LABELS)]) == sorted(LABELS)
        assert inner.emotions[-3] == inner.emotions[-2] == inner.emotions[told.index("sad")]
        drawn.add(tuple(inner.emotions))
    assert len(drawn) > 2


def test_disputed_words_are_held_against_the_reference() -> None:
    said = ["The", "see", "-", "is", "calm."]
    decided = {1: Decision("sea", 1.0, -0.5, 0.0), 4: Decision("palm.", -0.25, 1.5, 0.0)}
    words = tuple(
        Word(i, text, i, i, 0.9, WordState.FINAL, 0, decided.get(i)) for i, text in enumerate(said)
    )
    found = disputed_words("THE SEA IS CALM", [Segment(0, 0, 9, words)])
    assert [(d.word, d.right) for d in found] == [("see", False), ("calm.", True)]
