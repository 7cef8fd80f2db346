"""The weights of the fused decision on scored hypotheses: a grid over them is a matter of sums."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.models.fusion.score import FusionWeights
from streamer.transcript.wer import word_errors

LLM_GRID: Final = tuple(round(0.05 * i, 2) for i in range(17))
WORD_GRID: Final = tuple(round(-0.5 + 0.25 * i, 2) for i in range(13))
PRUNINGS: Final = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Nats."""
Grid = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """One hypothesis of a clip: log-probabilities in nats, words, and errors."""

    logprob: float
    llm: float
    words: int
    errors: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip's hypotheses, those that the streaming path would show to the LLM."""

    speaker: str
    reference_words: int
    hypotheses: tuple[Scored, ...]

    def pick(self, weights: FusionWeights) -> Scored:
        """What the fused decision takes."""
        return max(
            self.hypotheses,
            key=lambda h: h.logprob + weights.llm * h.llm + weights.word * h.words,
        )


def prepare(row: Mapping[str, Any], prune_nats: float) -> Clip:
    """Count each hypothesis' errors; drop those that the acoustics alone rule out."""
    floor = max(h["logprob"] for h in row["hypotheses"]) - prune_nats
    kept = [h for h in row["hypotheses"] if h["logprob"] >= floor]
    counted = [word_errors(row["reference"], h["text"]) for h in kept]
    return Clip(
        row["speaker"],
        counted[0].reference_words,
        tuple(
            Scored(h["logprob"], h["llm"], len(h["text"].split()), errors.errors)
            for h, errors in zip(kept, counted, strict=True)
        ),
    )


def wer_percent(clips: Sequence[Clip], weights: FusionWeights) -> float:
    """WER of what the weights pick."""
    words = max(1, sum(clip.reference_words for clip in clips))
    return 100 * sum(clip.pick(weights).errors for clip in clips) / words


def wer_grid(clips: Sequence[Clip]) -> Grid:
    """WER in percent, `[len(LLM_GRID), len(WORD_GRID)]`."""
    grid = np.zeros((len(LLM_GRID), len(WORD_GRID)))
    for i, llm in enumerate(LLM_GRID):
        for j, word in enumerate(WORD_GRID):
            grid[i, j] = wer_percent(clips, FusionWeights(llm, word))
    return grid


def best_point(grid: Grid) -> tuple[int, int]:
    """The point whose neighbourhood is best: single grid points win by luck.

    A point counts with the mean of the (up to nine) points around it.
    """
    padded = np.pad(grid, 1, constant_values=np.nan)
    rows, columns = grid.shape
    around = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    smooth = np.nanmean(np.stack(around), axis=0)
    i, j = np.unravel_index(int(smooth.argmin()), smooth.shape)
    return int(i), int(j)


def cross_validate(clips: Sequence[Clip], seed: int) -> dict[str, Any]:
    """WER of each half of the speakers with the weights chosen on the other half."""
    speakers = sorted({clip.speaker for clip in clips})
    random.Random(seed).shuffle(speakers)
    first = set(speakers[: len(speakers) // 2])
    halves = [
        [clip for clip in clips if (clip.speaker in first) == inside] for inside in (True, False)
    ]
    if not all(halves):
        return {}
    errors, chosen = 0, []
    for tuned_on, judged_on in ((0, 1), (1, 0)):
        weights = weights_at(best_point(wer_grid(halves[tuned_on])))
        chosen.append(asdict(weights))
        errors += sum(clip.pick(weights).errors for clip in halves[judged_on])
    words = sum(clip.reference_words for clip in clips)
    return {"wer_percent": round(100 * errors / max(1, words), 3), "chosen": chosen}


def neighbourhood(point: tuple[int, int]) -> list[tuple[int, int]]:
    """The point, then those beside it that are on the grid."""
    i, j = point
    beside = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
    return [
        point,
        *((a, b) for a, b in beside if 0 <= a < len(LLM_GRID) and 0 <= b < len(WORD_GRID)),
    ]


def summarize(clips: Sequence[Clip], grid: Grid, seed: int) -> dict[str, Any]:
    """All figures but those of the streaming check."""
    words = max(1, sum(clip.reference_words for clip in clips))
    oracle = sum(min(h.errors for h in clip.hypotheses) for clip in clips)
    point = best_point(grid)
    return {
        "clips": len(clips),
        "speakers": len({clip.speaker for clip in clips}),
        "words": words,
        "chosen": asdict(weights_at(point)),
        "chosen_wer_percent": round(float(grid[point]), 3),
        "acoustics_alone_wer_percent": round(wer_percent(clips, FusionWeights(0, 0)), 3),
        "oracle_wer_percent": round(100 * oracle / words, 3),
        "shipped": asdict(FusionWeights()),
        "shipped_wer_percent": round(wer_percent(clips, FusionWeights()), 3),
        "cross_validation": cross_validate(clips, seed),
        "grid": {
            "llm": list(LLM_GRID),
            "word": list(WORD_GRID),
            "wer_percent": grid.round(3).tolist(),
        },
    }


def by_pruning(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """What comes of showing the LLM fewer or more hypotheses: the WER with the best weight of the
    LLM for each, and with the shipped one."""
    found = []
    for nats in PRUNINGS:
        clips = [prepare(row, nats) for row in rows]
        rates = {llm: wer_percent(clips, replace(FusionWeights(), llm=llm)) for llm in LLM_GRID}
        best = min(rates, key=rates.__getitem__)
        found.append(
            {
                "prune_nats": nats,
                "hypotheses": round(float(np.mean([len(clip.hypotheses) for clip in clips])), 2),
                "shipped_wer_percent": round(wer_percent(clips, FusionWeights()), 3),
                "best_llm": best,
                "best_wer_percent": round(rates[best], 3),
            }
        )
    return found


def weights_at(point: tuple[int, int]) -> FusionWeights:
    """The weights of a point of the grid."""
    return FusionWeights(LLM_GRID[point[0]], WORD_GRID[point[1]])
