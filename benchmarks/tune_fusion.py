"""Choose the weights of the fused decision on development speech.

Every clip is encoded whole; a beam search gives its hypotheses and the LLM scores them, which is
kept in the `--cache` folder, so that a second run takes seconds. A grid over the two weights of
`FusionWeights` is then a matter of sums. The choice is checked twice: by two-fold
cross-validation over speakers, and, with its neighbours, in the real streaming path. Use
recordings of development speakers only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    SeedOption,
    SpeechOption,
    ThreadsOption,
    choose,
    figure,
    load_sets,
    run,
    style,
    write_result,
)
from benchmarks.offline import OfflineRecognizer
from benchmarks.streaming import stream
from streamer.audio.arrays import Floats
from streamer.decoding.streaming_decoder import PolicyOptions
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, word_errors

DEFAULT_SET: Final = "librispeech_dev_clean_mp3"
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


def collect(
    engine: Engine, recordings: Sequence[Recording], width: int, cache: Path
) -> list[dict[str, Any]]:
    """Hypotheses and scores of all recordings; those in `cache` already are not made anew."""
    known = {row["id"]: row for row in _read(cache)}
    missing = [recording for recording in recordings if recording.id not in known]
    offline = OfflineRecognizer(engine)
    llm = language_model(engine)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("a", encoding="utf-8") as file:
        for recording in track(missing, "searching", console=Console(stderr=True)):
            heard = np.concatenate(recording.pieces())
            found = offline.beam_search(heard, width, max(PRUNINGS))
            terms = llm.terms([Candidate(text, 0.0) for text in found])
            row = {
                "id": recording.id,
                "speaker": recording.speaker,
                "reference": recording.text,
                "hypotheses": [
                    {"text": text, "logprob": logprob, "llm": each.text}
                    for (text, logprob), each in zip(found.items(), terms, strict=True)
                ],
            }
            known[recording.id] = row
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
    return [known[recording.id] for recording in recordings]


def language_model(engine: Engine) -> LlmFusion:
    """The fusion whose score is the LLM's log-probability and nothing else."""
    if engine._llm is None:
        raise ValueError("the engine was loaded without its LLM")
    return LlmFusion(engine._llm, FusionWeights(llm=1.0, word=0.0), "")


def with_weights(engine: Engine, weights: FusionWeights) -> Engine:
    """An engine on the same models that decides by other weights."""
    options = replace(engine._options, weights=weights)
    return Engine(options, engine._speech, engine._emotion, engine._llm, engine._soft_tokens)


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
        weights = _weights(best_point(wer_grid(halves[tuned_on])))
        chosen.append(asdict(weights))
        errors += sum(clip.pick(weights).errors for clip in halves[judged_on])
    words = sum(clip.reference_words for clip in clips)
    return {"wer_percent": round(100 * errors / max(1, words), 3), "chosen": chosen}


def check(
    engine: Engine, recordings: Sequence[Recording], points: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """The real streaming path with the weights of each point."""
    samples = [np.concatenate(recording.pieces()) for recording in recordings]
    rows = []
    for point in track(points, "streaming", console=Console(stderr=True)):
        weights = _weights(point)
        tuned = with_weights(engine, weights)
        try:
            errors = _streamed_errors(tuned, recordings, samples)
        finally:
            tuned.close()
        rows.append(asdict(weights) | {"wer_percent": round(100 * errors.rate, 3)})
    return rows


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
        "chosen": asdict(_weights(point)),
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


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title=f"Fusion weights on {results['clips']} clips")
    for column in ("what", "llm", "word", "WER %"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    shown.add_row("acoustics alone", "0", "0", str(results["acoustics_alone_wer_percent"]))
    for name in ("shipped", "chosen"):
        weights = results[name]
        rate = str(results[f"{name}_wer_percent"])
        shown.add_row(name, str(weights["llm"]), str(weights["word"]), rate)
    if results["cross_validation"]:
        shown.add_row("cross-validated", "", "", str(results["cross_validation"]["wer_percent"]))
    for row in results["by_pruning"]:
        what = f"those within {row['prune_nats']:g} nats ({row['hypotheses']})"
        shown.add_row(what, "shipped", "0", str(row["shipped_wer_percent"]))
        shown.add_row("", f"best: {row['best_llm']:g}", "0", str(row["best_wer_percent"]))
    shown.add_row("best of each beam", "", "", str(results["oracle_wer_percent"]))
    for row in results["streaming_check"]:
        shown.add_row("streaming", str(row["llm"]), str(row["word"]), str(row["wer_percent"]))
    return shown


def draw(grid: Grid) -> Figure:
    """The grid as a heat map with the chosen point."""
    picture = figure(8, 5)
    axes = picture.subplots()
    # A step between colours where the good points are; what is far worse is one colour.
    top = float(np.percentile(grid, 80)) + 1e-6
    image = axes.imshow(grid, origin="lower", aspect="auto", cmap="viridis_r", vmax=top)
    picture.colorbar(image, ax=axes, label="WER, %", extend="max")
    i, j = best_point(grid)
    axes.plot(j, i, "o", markersize=14, markerfacecolor="none", color="red", label="chosen")
    axes.set_xticks(range(len(WORD_GRID)), [f"{word:g}" for word in WORD_GRID], fontsize=8)
    axes.set_yticks(range(len(LLM_GRID)), [f"{llm:g}" for llm in LLM_GRID], fontsize=8)
    axes.legend(loc="upper right")
    style(axes, "WER of the fused decision on whole clips", "weight of a word", "weight of the LLM")
    axes.grid(visible=False)
    return picture


def main(
    cache: Annotated[Path, typer.Option(help="Folder for hypotheses and their scores.")],
    speech: SpeechOption = DEFAULT_SET,
    data: DataOption = Path("data"),
    clips: Annotated[int, typer.Option(min=0, help="Clips to tune on; 0 takes all.")] = 400,
    check_clips: Annotated[
        int, typer.Option(min=0, help="Clips for each point of the streaming check.")
    ] = 60,
    threads: ThreadsOption = 2,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    policy = PolicyOptions()
    recordings = _pooled(load_sets(speech, data), clips, seed)
    engine = Engine.load(EngineOptions(threads=threads))
    try:
        name = f"hypotheses-{engine.models['asr']}-{engine.models['llm']}-{policy.beam_width}.jsonl"
        rows = collect(engine, recordings, policy.beam_width, cache / name)
        counted = [prepare(row, policy.prune_nats) for row in rows]
        grid = wer_grid(counted)
        results = summarize(counted, grid, seed) | {"by_pruning": by_pruning(rows)}
        points = neighbourhood(best_point(grid)) if check_clips else []
        results["streaming_check"] = check(engine, recordings[:check_clips], points)
    finally:
        engine.close()
    parameters = {
        "sets": sorted({recording.set_name for recording in recordings}),
        "clips": clips,
        "check_clips": check_clips,
        "beam_width": policy.beam_width,
        "prune_nats": policy.prune_nats,
        "threads": threads,
        "seed": seed,
    }
    write_result("tune_fusion", out, parameters, results, draw(grid))
    Console(width=100).print(table(results))


def _pooled(sets: Mapping[str, Sequence[Recording]], count: int, seed: int) -> list[Recording]:
    return [recording for some in choose(sets, count, seed).values() for recording in some]


def _weights(point: tuple[int, int]) -> FusionWeights:
    return FusionWeights(LLM_GRID[point[0]], WORD_GRID[point[1]])


def _streamed_errors(
    engine: Engine, recordings: Sequence[Recording], samples: Sequence[Floats]
) -> WordErrors:
    options = SessionOptions(decoder="fused", emotion=False)
    total = WordErrors()
    for recording, heard in zip(recordings, samples, strict=True):
        total += word_errors(recording.text, stream(engine, heard, options).transcription.text)
    return total


def _read(cache: Path) -> list[dict[str, Any]]:
    if not cache.is_file():
        return []
    return [json.loads(line) for line in cache.read_text(encoding="utf-8").splitlines()]


app = run(main)

if __name__ == "__main__":
    app()
