from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import Recording
from benchmarks.quality.hot_words import (
    WITHOUT,
    Outcome,
    Rarity,
    Task,
    count_rare,
    summarize,
    tasks,
)
from streamer.models.llm.contract import LlmRequest
from streamer.transcript.wer import WordErrors


class CapitalScorer:
    """Finds names likelier with a capital letter."""

    def context(self, text: str) -> str:
        return text

    def score(self, asked: Sequence[LlmRequest]) -> list[list[float]]:
        return [[float(text.strip() in ("Kyiv", "tide")) for text in ask.texts] for ask in asked]


def clip(number: int, text: str) -> Recording:
    return Recording("set", str(number), (Path("none"),), text, "someone")


def test_missed_and_made_up_words_are_told_apart() -> None:
    task = Task(clip(0, "THE TIDE AT KYIV"), frozenset({"tide", "kyiv"}), ("Kyiv", "tide", "mill"))
    assert count_rare(task, "The tide at Kyiv.") == WordErrors(reference_words=2)
    assert count_rare(task, "The tied at Kyiv.") == WordErrors(deletions=1, reference_words=2)
    heard = count_rare(task, "The mill tide at key.")
    assert heard == WordErrors(deletions=1, insertions=1, reference_words=2)


def test_lists_hold_the_clip_s_rare_words_among_others() -> None:
    said = ["kyiv calm mill", "tide wave rope", "oar keel mast"]
    everything = [clip(i, "the " * 12 + rare) for i, rare in enumerate(said)]
    scorer = CapitalScorer()
    made = tasks([*everything, clip(9, "the")], everything, scorer, 5)  # type: ignore[arg-type]
    assert [task.rare for task in made] == [set(rare.split()) for rare in said]
    assert all(len(task.listed) == 5 for task in made)
    assert {"Kyiv", "calm", "mill"} < set(made[0].listed)


def test_common_words_make_up_most_of_the_text() -> None:
    counts = Counter({"the": 60, "sea": 20, "is": 15, "kyiv": 5})
    rarity = Rarity(counts, CapitalScorer())  # type: ignore[arg-type]
    assert rarity.rare("The sea at Kyiv is") == {"at", "kyiv", "is"}


def test_the_ratio_is_of_rare_errors() -> None:
    def outcome(missed: int) -> Outcome:
        return Outcome(WordErrors(0, missed, 0, 10), WordErrors(0, missed, 0, 4), 1.0)

    results = summarize({WITHOUT: [outcome(2), outcome(2)], "6": [outcome(1), outcome(0)]}, seed=0)
    assert results[WITHOUT]["rare_errors_percent"] == 50.0
    assert results["6"]["rare_errors_percent"] == 12.5
    assert results["6"]["rare_change"]["ratio"] == 0.25
