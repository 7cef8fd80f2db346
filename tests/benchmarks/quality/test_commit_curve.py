"""The curve of commit delay against word errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamer.recognition.options import RecognizerOptions
from streamer.transcript.wer import word_errors

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import load_clips
from benchmarks.quality.commit_curve import (
    DEVELOPMENT,
    HELD_OUT,
    Result,
    draw,
    hear,
    rules,
    summarize,
    table,
)

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


def test_what_ships_is_a_point_of_each_family() -> None:
    found = rules(llm=True)
    assert len({rule.name for rule in found}) == len(found)
    defaults = [rule for rule in found if rule.is_default]
    assert [(rule.family, rule.decoder) for rule in defaults] == [
        ("draft", "draft"),
        ("fused", "fused"),
    ]
    assert all(rule.options == RecognizerOptions() for rule in defaults)
    assert all(rule.decoder == "draft" for rule in rules(llm=False))


def test_each_rule_is_held_against_its_own_offline_system() -> None:
    family = [rule for rule in rules(llm=True) if rule.is_default]
    reference = "one two three four"
    offline = Result(word_errors(reference, "one two three for"))
    fused = Result(word_errors(reference, reference))
    quick = Result(word_errors(reference, "won two three for"), (100.0, 300.0), (50.0,), 3)
    heard = [
        {"offline": offline, "offline fused": fused, family[0].name: quick, family[1].name: offline}
    ]
    results = summarize(family, {DEVELOPMENT: heard, HELD_OUT: heard * 2}, seed=0)
    assert list(results) == [DEVELOPMENT, HELD_OUT, "all"]
    assert results["all"]["recordings"] == 3
    draft_row, fused_row = results[DEVELOPMENT]["rules"]
    assert draft_row["wer_percent"] == 50.0
    assert draft_row["over_offline"]["wer_points"] == 25.0
    assert draft_row["commit_delay_ms"]["p50"] == 200.0
    assert draft_row["revised_per_committed_word"] == 1.5
    assert fused_row["over_offline"]["wer_points"] == 25.0
    assert results[DEVELOPMENT]["offline"] == {"offline": 25.0, "offline fused": 0.0}


@pytest.mark.slow
def test_a_real_recording_by_every_default(engine: Engine, tmp_path: Path) -> None:
    clip = next(c for c in load_clips("bundled", Path()) if c.speaker.startswith("librispeech"))
    family = [rule for rule in rules(llm=True) if rule.is_default]
    heard = hear(engine, family, clip, llm=True)
    for rule in family:
        result = heard[rule.name]
        assert result.errors.rate < 0.3
        assert len(result.commit_delays_ms) >= result.errors.reference_words / 2
        assert min(result.commit_delays_ms) >= 0
        assert all(delay >= 0 for delay in result.final_delays_ms)
        assert len(result.final_delays_ms) == 1
    results = summarize(family, {HELD_OUT: [heard]}, seed=0)
    assert table(results).row_count == 4
    draw(results).savefig(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000
