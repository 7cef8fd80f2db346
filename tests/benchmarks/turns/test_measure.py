from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.turns.fit import examples, fitted, loss_left_out, summarize
from benchmarks.turns.measure import draw, score, table
from benchmarks.turns.measure import summarize as judged
from benchmarks.turns.pauses import Pause, load, save
from streamer.recognition.turns.confidence import Evidence

HOP = 4_096
HOP_MS = 256.0


def pause(
    ms: float, *, is_end: bool, nats: float = 0.0, since: int = 100, recording: str = "a"
) -> Pause:
    """One that somebody ends after so long."""
    seen_at = -(-(since + 5_120) // HOP) * HOP
    last_at = (since + round(16 * ms)) // HOP * HOP
    return Pause(
        "calls", recording, since, seen_at, last_at, Evidence("so.", nats), is_end, 1.0, "so"
    )


def test_a_rule_decides_at_steps() -> None:
    one = pause(1_000, is_end=True)
    lengths = list(one.steps_ms(HOP_MS))
    assert lengths == pytest.approx([505.75, 761.75])
    assert one.ended_ms(lambda evidence, ms: ms >= 600, HOP_MS) == pytest.approx(761.75)
    assert one.ended_ms(lambda evidence, ms: ms >= 800, HOP_MS) is None


def test_false_ends_and_ends_that_are_not_told() -> None:
    found = [
        pause(700, is_end=False),  # over before 600 ms have been seen
        pause(900, is_end=False),
        pause(700, is_end=True),
        pause(3_000, is_end=True),
    ]
    told = score(found, lambda evidence, ms: ms >= 600, speech_s=30)
    assert told["false_ends"] == 1
    assert told["false_per_minute"] == 2.0
    assert told["told_percent"] == 50.0
    assert told["delay_p50_ms"] == 762


def test_the_llm_is_seen_to_tell_where_it_does(tmp_path: Path) -> None:
    found = [
        pause(3_000, is_end=nats > 0, nats=nats, since=at, recording=str(at % 7))
        for at in range(60)
        for nats in (-3.0, 3.0)
    ]
    summary = summarize(found)
    assert summary["pauses"] == {"calls": {"ends": 60, "others": 60}}
    by_source = summary["sources"]
    alone, with_llm = by_source["pause, marks"], by_source["pause, marks, LLM"]
    assert with_llm["loss_left_out"] < 0.5 * alone["loss_left_out"]
    assert with_llm["weights"]["sentence_over"] > 0.3
    given = examples(found)
    assert loss_left_out(given, [0]) == pytest.approx(0.693, abs=0.02)
    assert fitted(given.rows[:, :1], given.ended)[0] == pytest.approx(0, abs=1e-6)

    save(tmp_path / "kept" / "pauses.json", found, {"calls": 60.0})
    assert load(tmp_path / "kept" / "pauses.json") == (found, {"calls": 60.0})


def test_the_summary_is_drawn_and_told() -> None:
    found = [pause(900, is_end=False), pause(3_000, is_end=True, nats=3.0)]
    summary = judged(found, {"calls": 60.0})
    assert summary["calls"]["ends"] == summary["calls"]["other_pauses"] == 1
    silence = summary["calls"]["ways"]["silence"]
    assert [row["false_ends"] for row in silence.values()] == [1, 1, 0, 0]
    assert len(draw(summary).axes) == 1
    assert table(summary).row_count == 14
