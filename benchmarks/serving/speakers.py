"""What it costs a live session to tell who speaks: lag and CPU, with and without, in turns.

The real server in a process of its own, as many sessions at once as asked, each a conversation of
recorded readers in real time. A round is one short turn without speakers and one with: whatever
else the machine does falls on both. Figures are medians over the rounds, and so is the ratio of the
two turns of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
_WARM_UP_S: Final = 10


@dataclass(frozen=True)
class Turn:
    """Sessions at once, of one kind."""

    cpu_ms: float
    """For a second of sound."""
    lags_ms: tuple[float, ...]
    commits_ms: tuple[float, ...]
    lost_samples: int


def measure(server: ServerProcess, streams: Sequence[Floats], rounds: int) -> dict[str, list[Turn]]:
    """The turns without and with speakers, in rounds."""
    turns: dict[str, list[Turn]] = {kind: [] for kind in _STARTS}
    # The first sessions of a server open what is opened late.
    for start in _STARTS.values():
        _turn(server, [stream[: _WARM_UP_S * SAMPLE_RATE] for stream in streams], start)
    for at in range(rounds):
        # Whichever comes second finds the machine warmer.
        for kind in sorted(_STARTS, reverse=at % 2 == 1):
            turns[kind].append(_turn(server, streams, _STARTS[kind]))
    return turns


def summary(turns: Mapping[str, Sequence[Turn]]) -> dict[str, Any]:
    """The figures of each kind, and how the two of a round compare."""
    found: dict[str, Any] = {kind: _figures(some) for kind, some in turns.items()}
    pairs = list(zip(turns["with"], turns["without"], strict=True))
    found["compared"] = {
        "cpu_ratio": _spread([with_.cpu_ms / without.cpu_ms for with_, without in pairs], 3),
        "cpu_ms_more": _spread([with_.cpu_ms - without.cpu_ms for with_, without in pairs], 1),
        "lag_ms_more": _spread(
            [_median(with_.lags_ms) - _median(without.lags_ms) for with_, without in pairs], 1
        ),
    }
    return found


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="A live session without and with speakers")
    for column in ("speakers", "CPU ms a second", "lag p50", "p95", "commit p50", "p95", "lost"):
        shown.add_column(column)
    for kind in _STARTS:
        found = results[kind]
        times = (*found["lag_ms"].values(), *found["commit_ms"].values(), found["lost_samples"])
        shown.add_row(kind, str(found["cpu_ms_a_second"]), *map(str, times))
    ratio = results["compared"]["cpu_ratio"]
    shown.caption = (
        f"CPU with / without, by round: {ratio['median']} ({ratio['min']}-{ratio['max']})"
    )
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """CPU of each round, and lag."""
    picture = figure(9, 3.6)
    cpu, lag = picture.subplots(1, 2)
    for kind, colour in zip(_STARTS, ("draft", "fused"), strict=True):
        found = results[kind]
        rounds = found["cpu_ms_a_second_by_round"]
        cpu.plot(range(1, len(rounds) + 1), rounds, "o-", color=COLOURS[colour], label=kind)
        lag.bar([f"{p}\n{kind}" for p in found["lag_ms"]], list(found["lag_ms"].values()),
                color=COLOURS[colour])  # fmt: skip
    cpu.set_ylim(bottom=0)
    cpu.legend(frameon=False, title="speakers")
    style(cpu, "CPU of the server", "round", "ms a second of sound")
    style(lag, "Lag", "median of the rounds", "ms")
    return picture


def main(
    data: DataOption = Path("data"),
    sessions: Annotated[int, typer.Option(min=1, help="At once.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Of a turn of each kind.")] = 8,
    seconds: Annotated[float, typer.Option(min=10, help="Of each turn.")] = 15,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    two_readers = mixtures(data, "test", sessions, seconds, seed)[:sessions]
    streams = [one.samples[: round(seconds * SAMPLE_RATE)] for one in two_readers]
    with server_process("llm", threads=2) as server:
        results = summary(measure(server, streams, rounds))
    parameters = {"sessions": sessions, "rounds": rounds, "seconds": seconds, "seed": seed}
    picture = draw(results)
    write_result("serving.speakers", out, parameters, results, picture, "speakers_live")
    Console(width=120).print(table(results))


def _turn(server: ServerProcess, streams: Sequence[Floats], start: StartMessage) -> Turn:
    before = server.cpu_s()
    ended = asyncio.run(sessions_at_once(server.url, streams, start))
    cpu_s = server.cpu_s() - before
    sessions = [session for session in ended if session is not None]
    if len(sessions) < len(ended):
        raise RuntimeError("a session failed; see the server's messages")
    return Turn(
        1000 * cpu_s * SAMPLE_RATE / sum(map(len, streams)),
        tuple(lag for session in sessions for lag in session.lags_ms),
        tuple(delay for session in sessions for delay in word_delays(session).commit),
        sum(session.lost_samples for session in sessions),
    )


def _figures(turns: Sequence[Turn]) -> dict[str, Any]:
    return {
        "cpu_ms_a_second": round(_median([turn.cpu_ms for turn in turns]), 1),
        "cpu_ms_a_second_by_round": [round(turn.cpu_ms, 1) for turn in turns],
        "lag_ms": _medians([percentiles(turn.lags_ms) for turn in turns]),
        "commit_ms": _medians([percentiles(turn.commits_ms) for turn in turns]),
        "lost_samples": sum(turn.lost_samples for turn in turns),
    }


def _medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each figure, over the rounds; where nobody said a word there is none."""
    names = dict.fromkeys(name for some in figures for name in some)
    return {
        name: round(_median([some[name] for some in figures if name in some]), 1) for name in names
    }


def _spread(values: Sequence[float], digits: int) -> dict[str, float]:
    told = {"median": _median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in told.items()}


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


app = run(main)

if __name__ == "__main__":
    app()
