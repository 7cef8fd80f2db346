from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common import Recording
from benchmarks.quality.conditions import CONDITIONS, DRAFT, TEXT, Disputed, Outcome
from benchmarks.quality.fusion import decisions, gains_and_harms, summarize
from streamer.transcript.wer import WordErrors


def clip(name: str, text: str, speaker: str = "4") -> Recording:
    return Recording("set", name, (Path("none"),), text, speaker)


def outcome(wrong: int) -> Outcome:
    return Outcome("text", WordErrors(wrong, 0, 0, 10), 2.0, 0.5, (900.0,))


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


def test_who_decided_is_counted() -> None:
    assert decisions(
        [Disputed("see", "sea", 1.0, -0.5, False), Disputed("calm.", "palm.", -0.25, 1.5, True)]
    ) == {
        "both agreed": {"words": 0, "right": 0},
        "sound overruled the LLM": {"words": 1, "right": 0},
        "LLM overruled the sound": {"words": 1, "right": 1},
    }
