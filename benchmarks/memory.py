"""Peak resident memory of a server process while it captions one session, with and without LLM."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.common import COLOURS, Setup, figure, run_speech, speech_stream, style
from benchmarks.live import live_session
from benchmarks.server_process import LABELS, kinds, server_process
from streamer.audio.arrays import Floats
from streamer.protocol.messages import StartMessage

TARGETS_MB: Final = {"llm": 2500, "no_llm": 1000}
PAUSE_S: Final = 0.5


def measure(samples: Floats, *, llm: bool, threads: int) -> dict[str, Any]:
    """Memory of a fresh server: ready, and at its peak."""
    with server_process(llm=llm, threads=threads) as server:
        ready_mb = server.rss_mb()
        session = asyncio.run(live_session(server.url, samples, StartMessage()))
        peak_mb, after_mb = server.peak_rss_mb(), server.rss_mb()
    target_mb = TARGETS_MB["llm" if llm else "no_llm"]
    return {
        "ready_mb": round(ready_mb),
        "peak_mb": round(peak_mb),
        "after_mb": round(after_mb),
        "target_mb": target_mb,
        "met": peak_mb <= target_mb,
        "words": session.words,
    }


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Memory of the server, MB")
    for column in ("server", "ready", "peak", "after", "target"):
        shown.add_column(column, justify="left" if column == "server" else "right")
    for server, figures in results.items():
        names = ("ready_mb", "peak_mb", "after_mb", "target_mb")
        shown.add_row(server, *(str(figures[name]) for name in names))
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """Ready and peak memory beside the target."""
    picture = figure(6, 4)
    axes = picture.subplots()
    for i, (server, figures) in enumerate(results.items()):
        colour = COLOURS["fused" if server == "llm" else "draft"]
        ready = axes.bar(i - 0.2, figures["ready_mb"], 0.38, color=colour, alpha=0.5)
        peak = axes.bar(i + 0.2, figures["peak_mb"], 0.38, color=colour)
        axes.bar_label(ready, fmt="ready\n%.0f", fontsize=8)
        axes.bar_label(peak, fmt="peak\n%.0f", fontsize=8)
        axes.hlines(figures["target_mb"], i - 0.45, i + 0.45, color="#999999", linestyle="--")
    axes.set_xticks(range(len(results)), [LABELS[server] for server in results])
    axes.margins(y=0.15)
    style(axes, "Resident memory (dashed: at most)", "", "MB")
    return picture


def main(
    setup: Setup,
    seconds: Annotated[float, typer.Option(min=1, help="Of speech.")] = 60,
) -> None:
    clips = setup.clips()
    samples = speech_stream(clips, seconds, PAUSE_S, setup.seed)
    results = {
        kind: measure(samples, llm=llm, threads=setup.threads)
        for kind, llm in kinds(setup.llm).items()
    }
    parameters = {"speech": sorted({clip.set_name for clip in clips}), "seconds": seconds}
    notes = ["MB are 10^6 bytes; resident memory includes shared libraries"]
    setup.publish("memory", parameters, results, draw(results), table(results), notes)


app = run_speech(main)

if __name__ == "__main__":
    app()
