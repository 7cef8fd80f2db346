"""The stages of a profile: graphs by what they are for, all else around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from rich.table import Table

from benchmarks.common import figure, style
from benchmarks.profiling.cpu_spans import Cost

PYTHON: Final = "Python"
COLOURS: Final = {
    "vad": "#9467bd",
    "encode": "#1f77b4",
    "verify": "#2ca02c",
    "extend": "#98df8a",
    "beam": "#ffbb78",
    "llm": "#d95f02",
    "emotion": "#e377c2",
    PYTHON: "#8c564b",
    "server": "#17becf",
}
"""Of the stages, in their order."""
_STAGES: Final = {
    "silero_vad_16k_sequence.onnx": "vad",
    "emotion.onnx": "emotion",
    "stem.onnx": "encode",
    "encode.onnx": "encode",
    "step.onnx (verify)": "verify",
    "step.onnx (extend)": "extend",
    "step.onnx (beam)": "beam",
}


def stage_of(part: str) -> str:
    """The stage that a span or graph counts to; unknown graphs are the LLM's."""
    return _STAGES.get(part, "llm" if part.endswith(".onnx") else PYTHON)


def by_stage(costs: Mapping[str, Cost], audio_s: float) -> dict[str, float]:
    """CPU seconds for a second of audio, in the stages' order."""
    stages: dict[str, float] = {}
    for part, cost in costs.items():
        stages[stage_of(part)] = stages.get(stage_of(part), 0.0) + cost.cpu_s / audio_s
    return {stage: round(cpu_s, 6) for stage, cpu_s in sorted(stages.items(), key=_order)}


def _order(item: tuple[str, float]) -> int:
    return list(COLOURS).index(item[0])


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="CPU milliseconds for each second of audio")
    shown.add_column("part")
    shown.add_column("ms", justify="right")
    shown.add_column("runs", justify="right")
    for stage, cpu_s in results["stages"].items():
        shown.add_row(stage, f"{1000 * cpu_s:.1f}", "")
        for name, part in results["parts"].items():
            if stage_of(name) == stage:
                runs = str(part["runs"] or "")
                shown.add_row(f"  {name}", f"{1000 * part['cpu_s_per_audio_s']:.1f}", runs)
    shown.add_row("all", f"{1000 * results['cpu_s_per_audio_s']:.1f}", "")
    if "server" in results:
        server = results["server"]
        shown.add_row("server", f"{1000 * server['cpu_s_per_audio_s']:.1f}", "")
        main_ms = 1000 * server["main_thread_cpu_s_per_audio_s"]
        shown.add_row("  its main thread", f"{main_ms:.1f}", "")
    return shown


def draw(documents: Sequence[Mapping[str, Any]]) -> Figure:
    """A bar for each result, cut into stages; the server's own part comes on top."""
    picture = figure(11, 1.6 + 0.6 * len(documents))
    axes = picture.subplots()
    for at, document in enumerate(documents):
        results, left = document["results"], 0.0
        stages = dict(results["stages"])
        if "server" in results:
            stages["server"] = results["server"]["main_thread_cpu_s_per_audio_s"]
        for stage, cpu_s in sorted(stages.items(), key=_order):
            axes.barh(at, 1000 * cpu_s, left=left, color=COLOURS[stage])
            if cpu_s >= 0.01:
                middle = left + 500 * cpu_s
                axes.text(middle, at, f"{1000 * cpu_s:.0f}", ha="center", va="center", fontsize=8)
            left += 1000 * cpu_s
        axes.text(left, at, f" {left:.0f}", va="center", fontsize=9)
    names = [f"{d['parameters']['decoder']}, {d['parameters']['label']}" for d in documents]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    style(axes, "Where the time goes", "CPU milliseconds for each second of audio", "")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", alpha=0.3)
    axes.margins(x=0.06)
    handles = [Patch(color=colour, label=stage) for stage, colour in COLOURS.items()]
    picture.legend(handles=handles, loc="outside lower center", ncols=9, frameon=False, fontsize=8)
    return picture
