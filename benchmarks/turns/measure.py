"""False ends of turns against delay: our confidence beside fixed silences.

Speech that nothing was chosen on: meetings, calls (each speaker alone), dictation, reading; see
`benchmarks/turns/sets.py`, and `recordings.py` for what an end is. Delays are audio, from the last
sound of the turn to the end of the step that ends it, without the time that computing takes. A turn
whose speaker goes on, after an end in the text, before the end was told counts as not told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    RESULTS,
    DataOption,
    OutOption,
    SeedOption,
    figure,
    run,
    style,
    write_result,
)
from benchmarks.turns.pauses import Pause, Rule, load, pauses, save
from benchmarks.turns.sets import for_judging
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.turns.confidence import WITHOUT_LLM, Evidence, confidence
from streamer.recognition.turns.options import TurnOptions

SILENCES_MS: Final = (400, 600, 800, 1_200)
THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
_WAYS: Final = {
    "silence": ("a fixed silence", COLOURS["offline"]),
    "confidence": ("confidence, with the LLM", COLOURS["fused"]),
    "without": ("confidence, without", COLOURS["draft"]),
}


def rules() -> dict[str, dict[str, Rule]]:
    """By way and knob."""
    return {
        "silence": {f"{ms} ms": _silence(ms) for ms in SILENCES_MS},
        "confidence": {f"{t:g}": _confident(t, confidence) for t in THRESHOLDS},
        "without": {f"{t:g}": _confident(t, WITHOUT_LLM.confidence) for t in THRESHOLDS},
    }


def _silence(least_ms: float) -> Rule:
    return lambda evidence, pause_ms: pause_ms >= least_ms


def _confident(threshold: float, judge: Callable[[Evidence, float], float]) -> Rule:
    timeout_ms = TurnOptions().timeout_ms
    return lambda evidence, pause_ms: (
        pause_ms >= timeout_ms or judge(evidence, pause_ms) >= threshold
    )


def score(found: Sequence[Pause], rule: Rule, speech_s: float) -> dict[str, float]:
    """What the rule makes of the pauses of so much speech."""
    hop_ms = RecognizerOptions().hop_ms
    ended = [(pause, pause.ended_ms(rule, hop_ms)) for pause in found]
    delays = [ms for pause, ms in ended if pause.is_end and ms is not None]
    ends = sum(pause.is_end for pause in found)
    false = sum(not pause.is_end and ms is not None for pause, ms in ended)
    middle, late = np.percentile(delays, [50, 95]) if delays else (0.0, 0.0)
    return {
        "false_ends": false,
        "false_per_minute": round(60 * false / speech_s, 2),
        "told_percent": round(100 * len(delays) / max(1, ends), 1),
        "delay_mean_ms": round(float(np.mean(delays)) if delays else 0.0),
        "delay_p50_ms": round(float(middle)),
        "delay_p95_ms": round(float(late)),
    }


def summarize(found: Sequence[Pause], speech_s: Mapping[str, float]) -> dict[str, Any]:
    """By kind of speech."""
    summary = {}
    for kind in speech_s:
        some = [pause for pause in found if pause.kind == kind]
        summary[kind] = {
            "speech_minutes": round(speech_s[kind] / 60, 1),
            "ends": sum(pause.is_end for pause in some),
            "other_pauses": sum(not pause.is_end for pause in some),
            "ways": {
                way: {knob: score(some, rule, speech_s[kind]) for knob, rule in knobs.items()}
                for way, knobs in rules().items()
            },
        }
    return summary


def draw(results: Mapping[str, Any]) -> Figure:
    """For each kind of speech, false ends over the mean delay."""
    picture = figure(4.2 * len(results), 4.0)
    panels = picture.subplots(1, len(results), squeeze=False)[0]
    for axes, (kind, summary) in zip(panels, results.items(), strict=True):
        for way, (label, colour) in _WAYS.items():
            rows = summary["ways"][way]
            delays = [row["delay_mean_ms"] / 1000 for row in rows.values()]
            false = [row["false_per_minute"] for row in rows.values()]
            axes.plot(delays, false, "o-", color=colour, markersize=4, label=label)
            for knob, x, y in zip(rows, delays, false, strict=True):
                axes.annotate(knob, (x, y), (3, 3), textcoords="offset points", fontsize=6)
        style(
            axes,
            f"{kind}: {summary['ends']} ends, {summary['speech_minutes']} min",
            "mean delay of an end, s of audio",
            "false ends a minute of speech",
        )
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False, fontsize=7)
    return picture


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="False ends of turns against delay")
    for column in ("speech", "way", "false a minute", "told %", "mean", "p50 / p95 ms"):
        shown.add_column(column, justify="left" if column in ("speech", "way") else "right")
    for kind, summary in results.items():
        for way, rows in summary["ways"].items():
            for knob, row in rows.items():
                shown.add_row(
                    kind,
                    f"{way} {knob}",
                    f"{row['false_per_minute']:.2f}",
                    f"{row['told_percent']:.0f}",
                    f"{row['delay_mean_ms']}",
                    f"{row['delay_p50_ms']} / {row['delay_p95_ms']}",
                )
        shown.add_section()
    return shown


def main(
    data: DataOption = Path("data"),
    read_s: Annotated[float, typer.Option(help="Seconds of reading to hear.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder where pauses are kept once heard.")
    ] = None,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    path = None if cache is None else cache / "judged_pauses.json"
    if path is not None and path.is_file():
        found, speech_s = load(path)
    else:
        found, speech_s = _hear(data, read_s, seed)
        if path is not None:
            save(path, found, speech_s)
    results = summarize(found, speech_s)
    parameters = {
        "read_s": read_s,
        "seed": seed,
        "latency": "low",
        "notes": ["delays are audio, without the time that computing takes"],
    }
    write_result("turns.measure", out, parameters, results, draw(results), "turns")
    Console(width=120).print(table(results))


def _hear(data: Path, read_s: float, seed: int) -> tuple[list[Pause], dict[str, float]]:
    engine = Engine.load(EngineOptions(latency="low"))
    found: list[Pause] = []
    speech_s: dict[str, float] = {}
    try:
        for one in track(list(for_judging(data, read_s, seed)), "hearing"):
            found += pauses(engine, one)
            speech_s[one.kind] = speech_s.get(one.kind, 0.0) + one.speech_s
    finally:
        engine.close()
    return found, speech_s


app = run(main)

if __name__ == "__main__":
    app()
