"""Turns with and without speakers."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.speakers import Turn, summary


def turn(cpu_ms: float, lag_ms: float) -> Turn:
    return Turn(cpu_ms, (lag_ms, lag_ms, lag_ms + 50), (), 0)


def test_the_turns_of_a_round_are_compared_with_each_other() -> None:
    # The machine is busy in the second round, and falls asleep in the last.
    found = summary(
        {
            "without": [turn(100, 20), turn(300, 900), turn(100, 20)],
            "with": [turn(110, 21), turn(330, 950), turn(1_000, 4_000)],
        }
    )
    assert found["compared"]["cpu_ratio"] == {"median": 1.1, "min": 1.1, "max": 10.0}
    assert found["compared"]["cpu_ms_more"]["median"] == 30.0
    assert found["compared"]["lag_ms_more"]["median"] == 50.0
    assert found["without"]["cpu_ms_a_second"] == 100.0
    assert found["with"]["lag_ms"]["p50"] == 950.0
    assert found["with"]["commit_ms"] == {}
