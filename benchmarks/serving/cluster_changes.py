"""How far captions fall behind while a cluster changes under those who speak, and for how long.

Sessions of live speech on two replicas: one replica is killed, one is drained, and all are replaced
by an update. A session is as far behind as the sound that was spoken and is not processed, as its
client sees it: cuts, replicas that begin, and what is said again count. From each change on there
is a window, until nobody is behind by more than the limit any more; figures outside all windows are
told by themselves.
"""

from __future__ import annotations

import asyncio
import bisect
import os
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.common import Setup, figure, percentiles, run_speech, speech_stream, style
from benchmarks.serving.load import PAUSE_S, STAGGER_S
from benchmarks.serving.local_cluster import LocalCluster, local_cluster
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.client.client import Client, connect
from streamer.cluster.options import ClusterOptions
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import LatencyEvent
from streamer.recognition.engine import EngineOptions

N_REPLICAS: Final = 2
_HEARTBEAT_S: Final = 0.5
_CHUNK: Final = SAMPLE_RATE // 10
_LOOK_EVERY_S: Final = 0.25
_GIVE_UP_S: Final = 90.0
"""A window that is longer is cut here."""
_WORDS_S: Final = 30.0
"""Of speech for each session, over and over."""


@dataclass
class Speaker:
    """One session, and how far it was behind at which moment (monotonic seconds)."""

    client: Client
    sound: Floats
    moments_s: list[float] = field(default_factory=list)
    behind_ms: list[float] = field(default_factory=list)
    _began_s: float = 0.0

    async def speak(self, until: asyncio.Event) -> None:
        """In real time, and to the last word."""
        listening = asyncio.create_task(self._listen())
        self._began_s, sent = time.monotonic(), 0
        while not until.is_set():
            piece = self.sound[sent % len(self.sound) :][:_CHUNK]
            sent += len(piece)
            due_s = self._began_s + sent / SAMPLE_RATE
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await self.client.send_audio(piece)
        async with asyncio.timeout(_GIVE_UP_S):
            await self.client.stop()
            await listening

    async def _listen(self) -> None:
        async for event in self.client:
            if isinstance(event, LatencyEvent):
                now_s = time.monotonic()
                self.moments_s.append(now_s)
                self.behind_ms.append(1000 * (now_s - self._began_s) - event.processed_ms)

    def behind_at(self, moment_s: float) -> float:
        """Milliseconds; what a server that is silent processes is not known, so it grows."""
        at = bisect.bisect_right(self.moments_s, moment_s) - 1
        if at < 0:
            return 0.0
        silent_s = moment_s - self.moments_s[at]
        grown_s = silent_s if silent_s > 2 * _HEARTBEAT_S else 0.0
        return max(0.0, self.behind_ms[at]) + 1000 * grown_s


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to the cluster, and when (monotonic seconds)."""

    name: str
    began_s: float
    settled_s: float
    """As many replicas served again as should."""


async def watched(
    cluster: LocalCluster,
    streams: Sequence[Floats],
    quiet_s: float,
    max_lag_ms: float,
) -> tuple[list[Speaker], list[Change], float]:
    """All changes, one after the other; gives who spoke, the changes, and when all was over."""
    from streamer.cluster import control

    async with AsyncExitStack() as stack:
        speakers = []
        for sound in streams:
            client = await stack.enter_async_context(connect(cluster.url))
            speakers.append(Speaker(client, sound))
        over = asyncio.Event()

        async def one(index: int, speaker: Speaker) -> None:
            await asyncio.sleep(index * STAGGER_S)
            await speaker.speak(over)

        speaking = [asyncio.create_task(one(i, s)) for i, s in enumerate(speakers)]

        async def kill() -> None:
            about = cluster.handle.about.remote(await asyncio.to_thread(_fullest))
            os.kill((await asyncio.to_thread(about.result))["pid"], signal.SIGKILL)

        async def drain() -> None:
            await asyncio.to_thread(control.drain, await asyncio.to_thread(_fullest))

        async def update() -> None:
            await asyncio.to_thread(cluster.deploy)

        changes = []
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "kill -9": kill,
            "drain": drain,
            "update": update,
        }
        await _calm(speakers, quiet_s, max_lag_ms)
        for name, step in steps.items():
            before = await asyncio.to_thread(_serving)
            began_s = time.monotonic()
            await step()
            while len(await asyncio.to_thread(_serving) - _leaving(name, before)) < N_REPLICAS:
                await asyncio.sleep(_LOOK_EVERY_S)
            changes.append(Change(name, began_s, time.monotonic()))
            await _calm(speakers, quiet_s, max_lag_ms)
        ended_s = time.monotonic()
        over.set()
        await asyncio.gather(*speaking)
    return speakers, changes, ended_s


def _serving() -> set[str]:
    from streamer.cluster.control import replicas

    return {replica.name for replica in replicas() if replica.state == "serving"}


def _fullest() -> str:
    """The replica that has most of the sessions; with a store their ids do not tell it."""
    from streamer.cluster.control import replicas

    return max(replicas(), key=lambda replica: replica.connections).name


def _leaving(change: str, before: set[str]) -> set[str]:
    """Replicas of before that do not count: an update takes the place of all."""
    return before if change == "update" else set()


async def _calm(speakers: Sequence[Speaker], quiet_s: float, max_lag_ms: float) -> None:
    """Wait until nobody has been behind for so long."""
    give_up_s = time.monotonic() + _GIVE_UP_S
    calm_since_s = time.monotonic()
    while (now_s := time.monotonic()) < give_up_s and now_s - calm_since_s < quiet_s:
        if any(speaker.behind_at(now_s) > max_lag_ms for speaker in speakers):
            calm_since_s = now_s
        await asyncio.sleep(_LOOK_EVERY_S)


def judged(
    speakers: Sequence[Speaker], changes: Sequence[Change], ended_s: float, max_lag_ms: float
) -> dict[str, Any]:
    """The figures of a run."""
    began_s = max(speaker.moments_s[0] for speaker in speakers)
    n_moments = int((ended_s - began_s) / _LOOK_EVERY_S)
    moments_s = [began_s + i * _LOOK_EVERY_S for i in range(n_moments)]
    ends = [*(change.began_s for change in changes[1:]), ended_s]
    windows = []
    told: dict[str, Any] = {}
    for change, end_s in zip(changes, ends, strict=True):
        mine = [moment_s for moment_s in moments_s if change.began_s <= moment_s < end_s]
        late = [
            moment_s
            for moment_s in mine
            if any(speaker.behind_at(moment_s) > max_lag_ms for speaker in speakers)
        ]
        over_s = late[-1] + _LOOK_EVERY_S if late else change.began_s
        windows.append((change.began_s, over_s))
        within = [[s.behind_at(m) for m in mine if m < over_s] for s in speakers]
        everyone = [lag for one in within for lag in one]
        told[change.name] = {
            "window_s": round(over_s - change.began_s, 1),
            "replicas_whole_after_s": round(change.settled_s - change.began_s, 1),
            "sessions_behind": sum(any(lag > max_lag_ms for lag in one) for one in within),
            "behind_ms_max": round(max(everyone, default=0.0)),
            "behind_ms": percentiles(everyone, (50, 95, 99)),
        }
    outside = [
        moment_s
        for moment_s in moments_s
        if not any(began_s <= moment_s < over_s for began_s, over_s in windows)
    ]
    lags = [speaker.behind_at(moment_s) for moment_s in outside for speaker in speakers]
    return {
        "sessions": len(speakers),
        "outside_windows": {
            "seconds": round(len(outside) * _LOOK_EVERY_S, 1),
            "behind_ms": percentiles(lags, (50, 95, 99)),
        },
        "changes": told,
        "words": sum(len(speaker.client.transcript.words) for speaker in speakers),
        "sessions_with_words_missing_or_twice": sum(
            [word.id for word in words] != list(range(len(words)))
            for words in (speaker.client.transcript.words for speaker in speakers)
        ),
        "lost_samples": sum(speaker.client.lost_samples for speaker in speakers),
    }


def table(results: Mapping[str, Any], max_lag_ms: float) -> Table:
    """The summary for people."""
    shown = Table(title="Two replicas, changed under those who speak")
    for column in ("", "window s", "sessions behind", "p50 ms", "p95 ms", "most ms", "whole s"):
        shown.add_column(column, justify="right" if column else "left")
    for name, one in results["changes"].items():
        shown.add_row(
            name,
            str(one["window_s"]),
            str(one["sessions_behind"]),
            *_two(one["behind_ms"]),
            str(one["behind_ms_max"]),
            str(one["replicas_whole_after_s"]),
        )
    outside = results["outside_windows"]
    lags = _two(outside["behind_ms"])
    shown.add_row(f"else (limit {max_lag_ms:g})", str(outside["seconds"]), "", *lags, "", "")
    return shown


def _two(lag: Mapping[str, float]) -> tuple[str, str]:
    """Empty where nothing was measured: all was in windows, or nothing."""
    return (str(lag["p50"]), str(lag["p95"])) if lag else ("-", "-")


def draw(
    speakers: Sequence[Speaker], changes: Sequence[Change], results: Mapping[str, Any]
) -> Figure:
    """How far each session is behind, over time."""
    picture = figure(9, 4.2)
    axes = picture.subplots()
    began_s = min(speaker.moments_s[0] for speaker in speakers)
    for speaker in speakers:
        moments = [moment_s - began_s for moment_s in speaker.moments_s]
        axes.plot(moments, speaker.behind_ms, linewidth=0.8)
    for change in changes:
        at_s = change.began_s - began_s
        window_s = results["changes"][change.name]["window_s"]
        axes.axvspan(at_s, at_s + window_s, color="#dddddd", linewidth=0)
        axes.text(at_s, axes.get_ylim()[1], change.name, va="top", fontsize=8)
    style(axes, "Behind, each session", "seconds", "ms")
    return picture


def main(
    setup: Setup,
    sessions: Annotated[int, typer.Option(min=2, help="At once, on both replicas.")] = 12,
    quiet_s: Annotated[
        float, typer.Option("--quiet-seconds", min=1, help="Without anybody behind, in between.")
    ] = 12,
    max_lag_ms: Annotated[float, typer.Option(help="Behind by more is in a window.")] = 1000,
    store: Annotated[bool, typer.Option(help="Replicas share a store.")] = False,
) -> None:
    clips = setup.clips()
    streams = [speech_stream(clips, _WORDS_S, PAUSE_S, setup.seed + i) for i in range(sessions)]
    with tempfile.TemporaryDirectory() as folder:
        server = ServerOptions(
            max_sessions=sessions + 2,
            max_parked=sessions,
            heartbeat_s=_HEARTBEAT_S,
            shared_store=Path(folder) if store else None,
        )
        options = ClusterOptions(
            server=server,
            engine=EngineOptions(threads=1, llm=setup.llm, latency="low"),
            min_replicas=N_REPLICAS,
            max_replicas=N_REPLICAS,
            cpus=1.0,
            move_within_s=6.0,
        )
        with local_cluster(options) as cluster:
            seen = asyncio.run(watched(cluster, streams, quiet_s, max_lag_ms))
    speakers, changes, ended_s = seen
    results = judged(speakers, changes, ended_s, max_lag_ms)
    parameters = {
        "speech": sorted({clip.set_name for clip in clips}),
        "llm": setup.llm,
        "store": store,
        "quiet_seconds": quiet_s,
        "max_lag_ms": max_lag_ms,
    }
    notes = ["clients, proxy and Ray's processes run on the same machine as the replicas"]
    setup.publish(
        "serving.cluster_changes",
        parameters,
        results,
        draw(speakers, changes, results),
        table(results, max_lag_ms),
        notes,
        "cluster_changes_store" if store else None,
    )


app = run_speech(main)

if __name__ == "__main__":
    app()
