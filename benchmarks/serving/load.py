"""How many sessions one server carries: 1, 2, 4, 8 … in real time until the p95 lag is too much.

The server runs in a process of its own, once of each kind; the clients' CPU time is not counted.
Under load the server leaves out the second listener first, then the LLM; `listener_pauses` and
`llm_pauses` count that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.common import (
    Setup,
    figure,
    percentiles,
    run_speech,
    speech_stream,
    style,
)
from benchmarks.serving.live import LiveSession, live_session
from benchmarks.serving.server_process import (
    COLOUR_OF,
    LABELS,
    Kind,
    ServerProcess,
    kinds,
    server_process,
)
from streamer.audio.arrays import Floats
from streamer.client.transcript import ClientError
from streamer.protocol.messages import StartMessage

STAGGER_S: Final = 0.13
"""Between the starts of two sessions, so that their steps do not fall together."""
PAUSE_S: Final = 0.5


async def sessions_at_once(
    url: str, streams: Sequence[Floats], start: StartMessage | None = None
) -> list[LiveSession | None]:
    """All streams in real time side by side; None for a session that failed."""

    async def one(index: int, samples: Floats) -> LiveSession | None:
        await asyncio.sleep(index * STAGGER_S)
        try:
            return await live_session(url, samples, start or StartMessage())
        except (ClientError, TimeoutError):
            return None

    return await asyncio.gather(*(one(i, samples) for i, samples in enumerate(streams)))


def measure(server: ServerProcess, streams: Sequence[Floats]) -> dict[str, Any]:
    """The figures of one round."""
    cpu_before = server.cpu_s()
    ended = asyncio.run(sessions_at_once(server.url, streams))
    cpu_s = server.cpu_s() - cpu_before
    return figures(ended, cpu_s) | {"peak_rss_mb": round(server.peak_rss_mb())}


def figures(ended: Sequence[LiveSession | None], cpu_s: float) -> dict[str, Any]:
    """Of sessions that ran side by side; None: one that failed.

    Args:
        cpu_s: CPU seconds that serving them took.
    """
    sessions = [session for session in ended if session is not None]
    audio_s = sum(session.audio_s for session in sessions)
    lags = [lag for session in sessions for lag in session.lags_ms]
    return {
        "sessions": len(ended),
        "failed": len(ended) - len(sessions),
        "lag_ms": percentiles(lags, (50, 95, 99)),
        "drain_ms_max": round(max((session.drain_ms for session in sessions), default=0.0)),
        "lost_samples": sum(session.lost_samples for session in sessions),
        "words": sum(session.words for session in sessions),
        "listener_pauses": sum(session.listener_pauses for session in sessions),
        "llm_pauses": sum(session.llm_pauses for session in sessions),
        "cpu_s_per_audio_s": round(cpu_s / audio_s, 4) if audio_s else None,
    }


def carried(figures: Mapping[str, Any], max_lag_ms: float) -> bool:
    """Whether a round went well: nobody failed, nothing lost, p95 lag within the limit."""
    lag = figures["lag_ms"].get("p95")
    flawless = figures["failed"] == 0 and figures["lost_samples"] == 0
    return flawless and lag is not None and lag <= max_lag_ms


def climb(
    measured: Callable[[int], dict[str, Any]], counts: Iterable[int], max_lag_ms: float
) -> dict[str, Any]:
    """Rounds with more and more sessions, up to the first that does not go well, and how many the
    largest carried that did.

    Args:
        measured: the figures of a round with so many sessions.
    """
    rounds = []
    for count in counts:
        rounds.append(measured(count))
        if not carried(rounds[-1], max_lag_ms):
            break
    good = [one["sessions"] for one in rounds if carried(one, max_lag_ms)]
    return {"sessions_carried": max(good, default=0), "rounds": rounds}


def table(results: Mapping[Kind, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Load")
    columns = ("server", "sessions", "lag p50", "lag p95", "lost", "CPU s / audio s", "peak MB")
    for column in (*columns, "pauses of listener, LLM"):
        shown.add_column(column, justify="left" if column == "server" else "right")
    for server, outcome in results.items():
        for one in outcome["rounds"]:
            lag = one["lag_ms"]
            shown.add_row(
                server,
                str(one["sessions"]),
                *(f"{lag[p]:.0f}" if lag else "-" for p in ("p50", "p95")),
                str(one["lost_samples"]),
                str(one["cpu_s_per_audio_s"]),
                str(one["peak_rss_mb"]),
                f"{one['listener_pauses']}, {one['llm_pauses']}",
            )
        shown.add_section()
    return shown


def draw(results: Mapping[Kind, Any], max_lag_ms: float) -> Figure:
    """Lag and CPU against the number of sessions."""
    picture = figure(11, 4.2)
    lag, cpu = picture.subplots(1, 2)
    for server, outcome in results.items():
        rounds = [one for one in outcome["rounds"] if one["lag_ms"]]
        counts = [one["sessions"] for one in rounds]
        colour, label = COLOUR_OF[server], LABELS[server]
        lag.plot(counts, [one["lag_ms"]["p95"] for one in rounds], "o-", color=colour, label=label)
        used = [one["sessions"] * (one["cpu_s_per_audio_s"] or 0) for one in rounds]
        cpu.plot(counts, used, "o-", color=colour, label=label)
    lag.axhline(max_lag_ms, color="#999999", linestyle="--", linewidth=1)
    for axes in (lag, cpu):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.legend(frameon=False)
        axes.margins(y=0.1)
        axes.set_ylim(bottom=0)
    style(lag, "p95 lag", "sessions at once", "ms")
    style(cpu, "CPU used by the server", "sessions at once", "CPU seconds per second of real time")
    return picture


def main(
    setup: Setup,
    seconds: Annotated[float, typer.Option(min=1, help="Of speech for each session.")] = 40,
    max_sessions: Annotated[int, typer.Option(min=1, help="Go no further than this.")] = 64,
    max_lag_ms: Annotated[float, typer.Option(help="p95 lag at which to stop.")] = 1000,
) -> None:
    clips = setup.clips()
    counts = [2**i for i in range(max_sessions.bit_length())]
    results: dict[Kind, Any] = {}
    for kind in kinds(setup.llm):
        with server_process(kind, threads=setup.threads, max_sessions=max_sessions) as server:

            def measured(count: int, server: ServerProcess = server) -> dict[str, Any]:
                seeds = range(setup.seed, setup.seed + count)
                return measure(server, [speech_stream(clips, seconds, PAUSE_S, s) for s in seeds])

            results[kind] = climb(measured, counts, max_lag_ms)
    parameters = {
        "speech": sorted({clip.set_name for clip in clips}),
        "seconds": seconds,
        "max_sessions": max_sessions,
        "max_lag_ms": max_lag_ms,
    }
    notes = ["clients run on the same machine; the peak of memory is that since the server began"]
    picture = draw(results, max_lag_ms)
    setup.publish(
        "serving.load", parameters, dict[str, Any](results.items()), picture, table(results), notes
    )


app = run_speech(main)

if __name__ == "__main__":
    app()
