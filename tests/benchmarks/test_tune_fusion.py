"""Choosing the fusion weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import load_clips
from benchmarks.tune_fusion import (
    LLM_GRID,
    WORD_GRID,
    best_point,
    by_pruning,
    check,
    collect,
    cross_validate,
    draw,
    neighbourhood,
    prepare,
    summarize,
    table,
    wer_grid,
)
from streamer.models.fusion.score import FusionWeights

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine

ROW = {
    "id": "a",
    "speaker": "1",
    "reference": "THE SEA IS BLUE",
    "hypotheses": [
        {"text": "The see is blue.", "logprob": -1.0, "llm": -20.0},
        {"text": "The sea is blue.", "logprob": -2.0, "llm": -10.0},
        {"text": "Blue.", "logprob": -30.0, "llm": -1.0},
    ],
}


def test_hopeless_hypotheses_are_dropped_and_errors_counted() -> None:
    clip = prepare(ROW, prune_nats=8)
    assert [h.errors for h in clip.hypotheses] == [1, 0]
    assert [h.words for h in clip.hypotheses] == [4, 4]
    assert clip.reference_words == 4


def test_the_llm_decides_once_its_weight_outdoes_the_acoustics() -> None:
    clip = prepare(ROW, prune_nats=8)
    # -1 - 20 w against -2 - 10 w: equal at w = 0.1
    assert clip.pick(FusionWeights(0.09, 0)).errors == 1
    assert clip.pick(FusionWeights(0.11, 0)).errors == 0


def test_the_weight_of_words_prefers_longer_texts() -> None:
    clip = prepare(ROW, prune_nats=50)
    assert clip.pick(FusionWeights(5.0, 0)).words == 1
    assert clip.pick(FusionWeights(5.0, 50)).words == 4


def test_the_grid_by_hand() -> None:
    grid = wer_grid([prepare(ROW, prune_nats=8)])
    assert grid.shape == (len(LLM_GRID), len(WORD_GRID))
    assert grid[0, 0] == 25.0
    assert grid[-1, 0] == 0.0


def test_the_llm_finds_what_the_pruning_leaves() -> None:
    found = {row["prune_nats"]: row for row in by_pruning([ROW])}
    assert [row["hypotheses"] for row in found.values()] == [2.0] * len(found)  # -1 and -2 nats
    near = by_pruning([ROW | {"hypotheses": ROW["hypotheses"][:1]}])[0]
    assert (near["hypotheses"], near["best_wer_percent"]) == (1.0, 25.0)
    assert (found[8.0]["best_llm"], found[8.0]["best_wer_percent"]) == (0.15, 0.0)


def test_a_lonely_best_point_loses_against_a_good_region() -> None:
    grid = np.full((6, 6), 5.0)
    grid[0, 0] = 3.9
    grid[3:6, 3:6] = 4.0
    assert best_point(grid) == (5, 5) or best_point(grid) == (4, 4)
    assert best_point(grid) != (0, 0)


def test_neighbours_stay_on_the_grid() -> None:
    assert neighbourhood((0, 0)) == [(0, 0), (1, 0), (0, 1)]
    assert len(neighbourhood((3, 3))) == 5


def test_cross_validation_needs_two_speakers() -> None:
    clip = prepare(ROW, prune_nats=8)
    assert cross_validate([clip], seed=0) == {}
    other = prepare(ROW | {"speaker": "2"}, prune_nats=8)
    assert cross_validate([clip, other], seed=0)["wer_percent"] == 0.0


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
