from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.common import Recording
from benchmarks.fusion import (
    CONDITIONS,
    DRAFT,
    TEXT,
    Outcome,
    WrongEmotion,
    clips_before,
    decisions,
    disputed_words,
    gains_and_harms,
    summarize,
)
from streamer.models.emotion.classifier import LABELS
from streamer.transcript.ledger import Decision, Segment, Word, WordState
from streamer.transcript.wer import WordErrors
from tests.speech_fakes import PreferringFusion


def clip(name: str, text: str, speaker: str = "4") -> Recording:
    return Recording("set", name, (Path("none"),), text, speaker)


def outcome(wrong: int) -> Outcome:
    return Outcome("text", WordErrors(wrong, 0, 0, 10), 2.0, 0.5, (900.0,))


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


def test_conditions_are_held_against_the_draft_and_the_text_alone() -> None:
    clips = {"set": [clip("a", "x"), clip("b", "y")]}
    errors = dict.fromkeys(CONDITIONS, 2) | {DRAFT: 4, "+ emotion": 1}
    outcomes = {
        one.id: {name: outcome(wrong) for name, wrong in errors.items()} for one in clips["set"]
    }
    rows = summarize(clips, outcomes, seed=0)["all"]
    assert rows[DRAFT]["wer_percent"] == 40.0
    assert rows[TEXT]["against"][DRAFT]["ratio"] == 0.5
    assert rows["+ emotion"]["against"][TEXT]["wer_points"] == pytest.approx(-10.0)
    assert rows["+ emotion"]["compute_per_audio"] == 0.25


def test_gains_and_harms_are_listed_by_clip() -> None:
    clips = {"set": [clip("a", "x"), clip("b", "y"), clip("c", "z")]}
    changes = {"a": (3, 1), "b": (0, 2), "c": (1, 1)}
    outcomes = {
        name: {DRAFT: outcome(draft), TEXT: outcome(fused)}
        for name, (draft, fused) in changes.items()
    }
    told = gains_and_harms(clips, outcomes)
    assert (told["helped"], told["harmed"], told["unchanged"]) == (1, 1, 1)
    assert [row["id"] for row in told["most_helped"]] == ["a"]
    assert [row["id"] for row in told["most_harmed"]] == ["b"]


def test_disputed_words_are_held_against_the_reference() -> None:
    said = ["The", "see", "-", "is", "calm."]
    decided = {1: Decision("sea", 1.0, -0.5, 0.0), 4: Decision("palm.", -0.25, 1.5, 0.0)}
    words = tuple(
        Word(i, text, i, i, 0.9, WordState.FINAL, 0, decided.get(i)) for i, text in enumerate(said)
    )
    found = disputed_words("THE SEA IS CALM", [Segment(0, 0, 9, words)])
    assert [(d.word, d.right) for d in found] == [("see", False), ("calm.", True)]
    assert decisions(found) == {
        "both agreed": {"words": 0, "right": 0},
        "sound overruled the LLM": {"words": 1, "right": 0},
        "LLM overruled the sound": {"words": 1, "right": 1},
    }
