"""The weights of the fused decision, by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.research.weight_grid import (
    LLM_GRID,
    WORD_GRID,
    best_point,
    by_pruning,
    cross_validate,
    neighbourhood,
    prepare,
    wer_grid,
)
from streamer.models.fusion.score import FusionWeights

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
