"""What it costs a live session to tell who speaks: lag and CPU, with and without, in turns.

The real server in a process of its own, as many sessions at once as asked, each a conversation of
recorded readers in real time. Rounds without and with speakers alternate, so that whatever else the
machine does falls on both.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    RESULTS,
    DataOption,
    OutOption,
    SeedOption,
    figure,
    percentiles,
    run,
    style,
    write_result,
)
from benchmarks.quality.speakers import mixtures
from benchmarks.serving.live import word_delays
from benchmarks.serving.load import sessions_at_once
from benchmarks.serving.server_process import ServerProcess, server_process
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.messages import StartMessage

_STARTS: Final = {"without": StartMessage(), "with": StartMessage(speakers=True)}


def measure(
    server: ServerProcess, streams: Sequence[Floats], rounds: int
) -> dict[str, dict[str, Any]]:
    """The figures of sessions without and with speakers, over all rounds."""
    cpu_s: dict[str, list[float]] = defaultdict(list)
    lags_ms: dict[str, list[float]] = defaultdict(list)
    commits_ms: dict[str, list[float]] = defaultdict(list)
    lost: dict[str, int] = defaultdict(int)
    for at in range(rounds):
        # Whichever comes second finds the machine warmer.
        for kind in sorted(_STARTS, reverse=at % 2 == 1):
            before = server.cpu_s()
            ended = asyncio.run(sessions_at_once(server.url, streams, _STARTS[kind]))
            audio_s = sum(map(len, streams)) / SAMPLE_RATE
            cpu_s[kind].append((server.cpu_s() - before) / audio_s)
            for session in ended:
                if session is None:
                    raise RuntimeError("a session failed; see the server's messages")
                lags_ms[kind] += session.lags_ms
                commits_ms[kind] += word_delays(session).commit
                lost[kind] += session.lost_samples
    return {
        kind: {
            "cpu_ms_a_second": round(1000 * float(np.mean(cpu_s[kind])), 1),
            "cpu_ms_a_second_by_round": [round(1000 * one, 1) for one in cpu_s[kind]],
            "lag_ms": percentiles(lags_ms[kind]),
            "commit_ms": percentiles(commits_ms[kind]),
            "lost_samples": lost[kind],
        }
        for kind in _STARTS
    }


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="A live session without and with speakers")
    for column in ("speakers", "CPU ms a second", "lag p50", "p95", "commit p50", "p95", "lost"):
        shown.add_column(column)
    for kind, found in results.items():
        times = (*found["lag_ms"].values(), *found["commit_ms"].values(), found["lost_samples"])
        shown.add_row(kind, str(found["cpu_ms_a_second"]), *map(str, times))
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """CPU of each round, and lag."""
    picture = figure(9, 3.6)
    cpu, lag = picture.subplots(1, 2)
    for (kind, found), colour in zip(results.items(), ("draft", "fused"), strict=True):
        rounds = found["cpu_ms_a_second_by_round"]
        cpu.plot(range(1, len(rounds) + 1), rounds, "o-", color=COLOURS[colour], label=kind)
        lag.bar([f"{p}\n{kind}" for p in found["lag_ms"]], list(found["lag_ms"].values()),
                color=COLOURS[colour])  # fmt: skip
    cpu.set_ylim(bottom=0)
    cpu.legend(frameon=False, title="speakers")
    style(cpu, "CPU of the server", "round", "ms a second of sound")
    style(lag, "Lag", "", "ms")
    return picture


def main(
    data: DataOption = Path("data"),
    sessions: Annotated[int, typer.Option(min=1, help="At once.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 3,
    seconds: Annotated[float, typer.Option(min=10, help="Of each session.")] = 30,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    two_readers = mixtures(data, "test", sessions, seconds, seed)[:sessions]
    streams = [one.samples[: round(seconds * SAMPLE_RATE)] for one in two_readers]
    with server_process("llm", threads=2) as server:
        results = measure(server, streams, rounds)
    parameters = {"sessions": sessions, "rounds": rounds, "seconds": seconds, "seed": seed}
    picture = draw(results)
    write_result("serving.speakers", out, parameters, results, picture, "speakers_live")
    Console(width=120).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
