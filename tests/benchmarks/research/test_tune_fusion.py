"""Choosing the fusion weights on real hypotheses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import load_clips
from benchmarks.research.tune_fusion import check, collect, draw, table
from benchmarks.research.weight_grid import best_point, by_pruning, prepare, summarize, wer_grid

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


def test_real_hypotheses_are_scored_once_and_kept(tmp_path: Path, engine: Engine) -> None:
    read = [c for c in load_clips("bundled", Path()) if c.speaker.startswith("librispeech")]
    clips = read[:1]
    cache = tmp_path / "kept" / "hypotheses.jsonl"
    rows = collect(engine, clips, 3, cache)
    written = cache.read_text()
    assert collect(engine, clips, 3, cache) == rows == [json.loads(written)]
    assert cache.read_text() == written
    assert all(h["logprob"] <= 0 for h in rows[0]["hypotheses"])
    counted = [prepare(row, 8) for row in rows]
    grid = wer_grid(counted)
    results = summarize(counted, grid, seed=0) | {"by_pruning": by_pruning(rows)}
    point = best_point(grid)
    results["streaming_check"] = check(engine, clips, [point])
    assert results["streaming_check"][0]["llm"] == results["chosen"]["llm"]
    assert results["streaming_check"][0]["wer_percent"] < 50
    assert results["oracle_wer_percent"] <= results["chosen_wer_percent"]
    assert table(results).row_count >= 5
    draw(grid).savefig(tmp_path / "heat.png")
