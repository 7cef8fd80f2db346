"""Peak resident memory of a server process while it captions one session, with and without LLM."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import (
    BUNDLED,
    COLOURS,
    RESULTS,
    DataOption,
    Floats,
    LlmOption,
    OutOption,
    SeedOption,
    SpeechOption,
    ThreadsOption,
    figure,
    load_sets,
    run,
    speech_stream,
    style,
    write_result,
)
from benchmarks.live import live_session
from benchmarks.server_process import server_process
from streamer.protocol import StartMessage

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
    labels = ["with the LLM" if server == "llm" else "without the LLM" for server in results]
    axes.set_xticks(range(len(labels)), labels)
    axes.margins(y=0.15)
    style(axes, "Resident memory (dashed: at most)", "", "MB")
    return picture


def main(
    speech: SpeechOption = BUNDLED,
    data: DataOption = Path("data"),
    seconds: Annotated[float, typer.Option(min=1, help="Of speech.")] = 60,
    llm: LlmOption = True,
    threads: ThreadsOption = 2,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    clips = [clip for some in load_sets(speech, data).values() for clip in some]
    samples = speech_stream(clips, seconds, PAUSE_S, seed)
    results = {
        "llm" if with_llm else "no_llm": measure(samples, llm=with_llm, threads=threads)
        for with_llm in ((True, False) if llm else (False,))
    }
    parameters = {
        "speech": sorted({clip.set_name for clip in clips}),
        "seconds": seconds,
        "threads": threads,
        "seed": seed,
        "notes": ["MB are 10^6 bytes; resident memory includes shared libraries"],
    }
    write_result("memory", out, parameters, results, draw(results))
    Console(width=100).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
