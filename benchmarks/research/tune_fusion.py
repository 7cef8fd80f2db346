"""Choose the weights of the fused decision on development speech.

Every clip is encoded whole; a beam search gives its hypotheses and the LLM scores them, which is
kept in the `--cache` folder, so that a second run takes seconds. A grid over the two weights of
`FusionWeights` is then a matter of sums. The choice is checked twice: by two-fold
cross-validation over speakers, and, with its neighbours, in the real streaming path. Use
recordings of development speakers only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
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
from benchmarks.quality.offline import OfflineRecognizer
from benchmarks.quality.streaming import stream
from benchmarks.research.weight_grid import (
    LLM_GRID,
    PRUNINGS,
    WORD_GRID,
    Grid,
    best_point,
    by_pruning,
    neighbourhood,
    prepare,
    summarize,
    weights_at,
    wer_grid,
)
from streamer.audio.arrays import Floats
from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, word_errors

DEFAULT_SET: Final = "librispeech_dev_clean_mp3"


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
    if engine.llm is None:
        raise ValueError("the engine was loaded without its LLM")
    return LlmFusion(engine.llm, FusionWeights(llm=1.0, word=0.0), "")


def check(
    engine: Engine, recordings: Sequence[Recording], points: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """The real streaming path with the weights of each point."""
    samples = [np.concatenate(recording.pieces()) for recording in recordings]
    rows = []
    for point in track(points, "streaming", console=Console(stderr=True)):
        weights = weights_at(point)
        with closing(engine.with_options(replace(engine.options, weights=weights))) as tuned:
            errors = _streamed_errors(tuned, recordings, samples)
        rows.append(asdict(weights) | {"wer_percent": round(100 * errors.rate, 3)})
    return rows


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
    fused = FusedOptions()
    recordings = _pooled(load_sets(speech, data), clips, seed)
    engine = Engine.load(EngineOptions(threads=threads, latency="low"))
    try:
        name = f"hypotheses-{engine.models['asr']}-{engine.models['llm']}-{fused.beam_width}.jsonl"
        rows = collect(engine, recordings, fused.beam_width, cache / name)
        counted = [prepare(row, fused.prune_nats) for row in rows]
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
        "beam_width": fused.beam_width,
        "prune_nats": fused.prune_nats,
        "threads": threads,
        "seed": seed,
    }
    write_result("research.tune_fusion", out, parameters, results, draw(grid))
    Console(width=100).print(table(results))


def _pooled(sets: Mapping[str, Sequence[Recording]], count: int, seed: int) -> list[Recording]:
    return [recording for some in choose(sets, count, seed).values() for recording in some]


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
