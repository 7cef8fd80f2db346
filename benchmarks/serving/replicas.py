"""Whether two replicas carry twice what one carries: one on one core, two on two.

Each replica is held to a core of its own, and on that core too runs what speaks to it: a load
generator for each core, with as many sessions. Ray's own processes and the proxy run on the cores
that are in use. So with one replica everything shares one core, with two everything shares two, and
sessions cost the same beside the replica. Sessions are added, as many a core, until the p95 lag is
too much.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import psutil
import typer
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.common import Setup, figure, run_speech, speech_stream, style
from benchmarks.serving.live import LiveSession
from benchmarks.serving.load import PAUSE_S, climb, figures, sessions_at_once
from benchmarks.serving.local_cluster import local_cluster
from streamer.audio.arrays import Floats
from streamer.cluster.options import ClusterOptions
from streamer.hosting.options import ServerOptions
from streamer.recognition.engine import EngineOptions

_MAX_SESSIONS: Final = 64


@dataclass(frozen=True, slots=True)
class HeldCluster:
    """A cluster whose processes are held to cores."""

    url: str
    replicas: tuple[psutil.Process, ...]
    others: tuple[psutil.Process, ...]
    """The proxy, and Ray's own."""
    speakers: tuple[ProcessPoolExecutor, ...]
    """A process for each core, which speaks."""


@contextmanager
def held_cluster(n_replicas: int, llm: bool) -> Iterator[HeldCluster]:
    """Replica i on core i.

    Raises:
        ImportError: there is no Ray.
        typer.BadParameter: there are too few cores, or processes cannot be held to them here.
    """
    cores = sorted(getattr(os, "sched_getaffinity", lambda pid: ())(0))[:n_replicas]
    if len(cores) < n_replicas:
        raise typer.BadParameter(f"{n_replicas} replicas want a core each, and Linux to be held")
    options = ClusterOptions(
        server=ServerOptions(max_sessions=_MAX_SESSIONS),
        engine=EngineOptions(threads=1, llm=llm, latency="low"),
        min_replicas=n_replicas,
        max_replicas=n_replicas,
        cpus=1.0,
        move_within_s=0.0,
    )
    from streamer.cluster.control import replicas

    with local_cluster(options) as cluster, ExitStack() as stack:
        pids = [cluster.handle.about.remote(one.name).result()["pid"] for one in replicas()]
        of_replicas = tuple(psutil.Process(pid) for pid in pids)
        children = psutil.Process().children(recursive=True)
        others = tuple(one for one in children if one.pid not in pids)
        for process, core in zip(of_replicas, cores, strict=True):
            _hold(process, [core])
        for process in others:
            _hold(process, cores)
        speakers = tuple(
            stack.enter_context(
                ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), os.sched_setaffinity, (0, [core])
                )
            )
            for core in cores
        )
        yield HeldCluster(cluster.url, of_replicas, others, speakers)


def _hold(process: psutil.Process, cores: Iterable[int]) -> None:
    """All of its threads; those to come are held with them."""
    for thread in process.threads():
        os.sched_setaffinity(thread.id, cores)


def _cpu_s(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        if process.is_running():
            times = process.cpu_times()
            total += times.user + times.system
    return total


def spoken(url: str, streams: Sequence[Floats]) -> tuple[list[LiveSession | None], float]:
    """In a process of its own: all streams in real time, and the CPU seconds that it took."""
    before_s = time.process_time()
    ended = asyncio.run(sessions_at_once(url, streams))
    return ended, time.process_time() - before_s


def measure(cluster: HeldCluster, streams: Sequence[Sequence[Floats]]) -> dict[str, Any]:
    """The figures of one round.

    Args:
        streams: for each core.
    """
    replicas_s, others_s = _cpu_s(cluster.replicas), _cpu_s(cluster.others)
    began_s = time.monotonic()
    speaking = [
        speaker.submit(spoken, cluster.url, mine)
        for speaker, mine in zip(cluster.speakers, streams, strict=True)
    ]
    told = [one.result() for one in speaking]
    took_s = time.monotonic() - began_s
    replicas_s, others_s = _cpu_s(cluster.replicas) - replicas_s, _cpu_s(cluster.others) - others_s
    ended = [session for sessions, _ in told for session in sessions]
    busy = {
        "replicas": replicas_s,
        "load_generators": sum(cpu_s for _, cpu_s in told),
        "proxy_and_ray": others_s,
    }
    cores = len(cluster.replicas)
    shares = {name: round(cpu_s / took_s / cores, 3) for name, cpu_s in busy.items()}
    return figures(ended, replicas_s) | {"share_of_the_cores": shares}


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Replicas, each on a core")
    columns = ("replicas", "sessions", "lag p50", "lag p95", "lost", "replicas'", "speakers'")
    for column in (*columns, "proxy's and Ray's share of the cores"):
        shown.add_column(column, justify="right")
    for replicas, outcome in results.items():
        for one in outcome["rounds"]:
            lag, share = one["lag_ms"], one["share_of_the_cores"]
            shown.add_row(
                replicas,
                str(one["sessions"]),
                *(f"{lag[p]:.0f}" if lag else "-" for p in ("p50", "p95")),
                str(one["lost_samples"]),
                *(f"{100 * value:.0f} %" for value in share.values()),
            )
        shown.add_section()
    return shown


def draw(results: Mapping[str, Any], max_lag_ms: float) -> Figure:
    """Lag against sessions."""
    picture = figure(6, 4.2)
    axes = picture.subplots()
    for replicas, outcome in results.items():
        rounds = [one for one in outcome["rounds"] if one["lag_ms"]]
        counts = [one["sessions"] for one in rounds]
        lags = [one["lag_ms"]["p95"] for one in rounds]
        axes.plot(counts, lags, "o-", label=f"{replicas} replicas on as many cores")
    axes.axhline(max_lag_ms, color="#999999", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    style(axes, "p95 lag", "sessions at once", "ms")
    return picture


def main(
    setup: Setup,
    seconds: Annotated[float, typer.Option(min=1, help="Of speech for each session.")] = 20,
    first: Annotated[int, typer.Option(min=1, help="Sessions a core at first.")] = 4,
    most: Annotated[int, typer.Option(min=1, help="Sessions a core at most.")] = 10,
    max_replicas: Annotated[int, typer.Option(min=1, help="Go no further than this.")] = 2,
    max_lag_ms: Annotated[float, typer.Option(help="p95 lag at which to stop.")] = 1000,
) -> None:
    clips = setup.clips()
    results: dict[str, Any] = {}
    for n_replicas in range(1, max_replicas + 1):
        with held_cluster(n_replicas, setup.llm) as cluster:

            def measured(count: int, cluster: HeldCluster = cluster) -> dict[str, Any]:
                seeds = range(setup.seed, setup.seed + count)
                streams = [speech_stream(clips, seconds, PAUSE_S, s) for s in seeds]
                return measure(cluster, [streams] * len(cluster.replicas))

            results[str(n_replicas)] = climb(measured, range(first, most + 1), max_lag_ms)
    parameters = {
        "speech": sorted({clip.set_name for clip in clips}),
        "llm": setup.llm,
        "seconds": seconds,
        "first": first,
        "max_lag_ms": max_lag_ms,
    }
    notes = ["replicas, speakers, proxy and Ray share as many cores as there are replicas"]
    picture = draw(results, max_lag_ms)
    setup.publish("serving.replicas", parameters, results, picture, table(results), notes)


app = run_speech(main)

if __name__ == "__main__":
    app()
