"""Whether a session stays as quick and as small as it began: hours of speech through one of them.

Recordings of minutes follow each other, again and again, through one recognizer in this process,
as fast as it goes. Every minute of audio: what a step took, the memory of the process, and what
the session remembers. `--server` does the same to the real server over its websocket.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import psutil
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    RESULTS,
    DataOption,
    DecoderOption,
    OutOption,
    Recording,
    blocks,
    figure,
    load_clips,
    load_longform,
    percentiles,
    run,
    style,
    write_result,
)
from benchmarks.serving.server_process import server_process
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.client.client import Client, connect
from streamer.client.files import stream_samples
from streamer.protocol.messages import StartMessage
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.recognizer import Recognizer
from streamer.runtime.tracing import NullSpans

PAUSE_S: Final = 1.0
SETTLED_MIN: Final = 5
"""Minutes until caches have their size; growth is counted from then on."""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of audio."""

    steps: int
    step_cpu_ms: dict[str, float]
    """Of all threads."""
    step_ms: dict[str, float]
    """By the clock on the wall."""
    rss_mb: float
    objects: int
    """Python objects that the garbage collector watches."""
    words: int
    """In the ledger."""


def endless(recordings: Sequence[Recording]) -> Iterator[Floats]:
    """Clip after clip with pauses, for ever."""
    silence = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    for recording in itertools.cycle(recordings):
        for piece in recording.pieces():
            yield piece
            yield silence


def minutes_of(pieces: Iterator[Floats], count: int) -> Iterator[Floats]:
    """`count` arrays of exactly one minute."""
    wanted = 60 * SAMPLE_RATE
    left = np.zeros(0, np.float32)
    for _ in range(count):
        parts, length = [left], len(left)
        while length < wanted:
            parts.append(next(pieces))
            length += len(parts[-1])
        joined = np.concatenate(parts)
        left = joined[wanted:].copy()
        yield joined[:wanted].copy()


def listen(recognizer: Recognizer, samples: Floats) -> Minute:
    """One minute of audio through the recognizer."""
    cpu_ms, wall_ms = [], []
    for block in blocks(samples):
        recognizer.accept(block)
        while recognizer.due():
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            for _ in recognizer.step():
                pass
            cpu_ms.append(1000 * (time.process_time() - cpu_s))
            wall_ms.append(1000 * (time.perf_counter() - wall_s))
    return Minute(
        len(cpu_ms),
        percentiles(cpu_ms),
        percentiles(wall_ms),
        round(psutil.Process().memory_info().rss / 1e6, 1),
        len(gc.get_objects()),
        len(recognizer.ledger.words),
    )


async def by_server(
    minutes: Iterator[Floats], count: int, options: StartMessage, *, llm: bool
) -> list[float]:
    """Resident megabytes of the real server after each minute of audio."""
    rss_mb = []
    with server_process("llm" if llm else "no_llm", threads=1) as server:
        async with connect(server.url, options) as client:
            listener = asyncio.create_task(_drain(client))
            for minute in track(minutes, "server", total=count, console=Console(stderr=True)):
                await stream_samples(client, minute, SAMPLE_RATE, speed=0)
                rss_mb.append(round(server.rss_mb(), 1))
            await client.stop()
            await listener
            rss_mb.append(round(server.rss_mb(), 1))
    return rss_mb


async def _drain(client: Client) -> None:
    async for _ in client:
        pass


def growth(values: Sequence[float]) -> float:
    """Slope of the line through `values`, one a minute, in units an hour, once settled."""
    settled = np.asarray(values[SETTLED_MIN:], np.float64)
    if len(settled) < 2:
        return 0.0
    return float(60 * np.polyfit(np.arange(len(settled)), settled, 1)[0])


def summarize(minutes: Sequence[Minute], server_rss_mb: Sequence[float]) -> dict[str, Any]:
    """The first and the last quarter side by side, and what an hour adds."""
    quarter = max(1, len(minutes) // 4)
    spans = {"first_quarter": minutes[:quarter], "last_quarter": minutes[-quarter:]}
    found: dict[str, Any] = {
        name: {
            "step_cpu_ms_p50": round(float(np.mean([m.step_cpu_ms["p50"] for m in some])), 2),
            "step_cpu_ms_p95": round(float(np.mean([m.step_cpu_ms["p95"] for m in some])), 2),
            "rss_mb": round(float(np.mean([m.rss_mb for m in some])), 1),
        }
        for name, some in spans.items()
    }
    found["growth_per_hour"] = {
        "step_cpu_ms_p50": round(growth([m.step_cpu_ms["p50"] for m in minutes]), 3),
        "rss_mb": round(growth([m.rss_mb for m in minutes]), 2),
        "objects": round(growth([m.objects for m in minutes])),
        "words": round(growth([m.words for m in minutes])),
    }
    if server_rss_mb:
        found["growth_per_hour"]["server_rss_mb"] = round(growth(server_rss_mb), 2)
        found["server_rss_mb"] = list(server_rss_mb)
    found["minutes"] = [asdict(minute) for minute in minutes]
    return found


def table(results: dict[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Endurance")
    for column in ("", "step CPU p50 ms", "step CPU p95 ms", "memory MB"):
        shown.add_column(column, justify="right" if column else "left")
    for name in ("first_quarter", "last_quarter"):
        figures = results[name]
        shown.add_row(
            name.replace("_", " "),
            *(str(figures[key]) for key in ("step_cpu_ms_p50", "step_cpu_ms_p95", "rss_mb")),
        )
    for name, value in results["growth_per_hour"].items():
        shown.add_row(f"an hour adds: {name}", "", "", f"{value:+g}")
    return shown


def draw(minutes: Sequence[Minute], server_rss_mb: Sequence[float], decoder: str) -> Figure:
    """Step time and memory, minute by minute."""
    picture = figure(11, 4.2)
    steps, memory = picture.subplots(1, 2)
    at = range(1, len(minutes) + 1)
    for name, line in (("p50", "-"), ("p95", ":")):
        values = [minute.step_cpu_ms[name] for minute in minutes]
        steps.plot(at, values, line, color=COLOURS[decoder], label=name)
    memory.plot(at, [m.rss_mb for m in minutes], color=COLOURS[decoder], label="in-process")
    if server_rss_mb:
        ends = range(1, len(server_rss_mb) + 1)
        memory.plot(ends, server_rss_mb, color="#17becf", label="server")
    for axes in (steps, memory):
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    style(steps, "CPU time of a step", "minutes of audio", "ms")
    style(memory, "Resident memory", "minutes of audio", "MB")
    return picture


def main(
    speech: Annotated[
        str, typer.Option("--speech", "--set", help="A set with recordings of minutes.")
    ] = "librispeech_test_clean_opus",
    data: DataOption = Path("data"),
    minutes: Annotated[int, typer.Option(min=2, help="Of audio.")] = 120,
    decoder: DecoderOption = "draft",
    server: Annotated[bool, typer.Option("--server", help="Also through the server.")] = False,
    out: OutOption = RESULTS,
) -> None:
    recordings = load_longform(speech, data) or load_clips(speech, data)
    engine = Engine.load(EngineOptions(threads=1, llm=decoder == "fused", latency="low"))
    recognizer = engine.recognizer(SessionOptions(decoder=decoder), NullSpans())
    audio = minutes_of(endless(recordings), minutes)
    heard: list[Minute] = []
    try:
        for minute in track(audio, "hearing", total=minutes, console=Console(stderr=True)):
            heard.append(listen(recognizer, minute))
    except KeyboardInterrupt:  # hours are long: what was heard so far is a result too
        Console(stderr=True).print(f"stopped after {len(heard)} minutes")
    finally:
        recognizer.close()
        engine.close()
    rss_mb = []
    if server:
        audio = minutes_of(endless(recordings), minutes)
        start = StartMessage(decoder=decoder, live=False)
        rss_mb = asyncio.run(by_server(audio, minutes, start, llm=decoder == "fused"))
    results = summarize(heard, rss_mb)
    parameters = {
        "speech": speech,
        "recordings": len(recordings),
        "minutes": len(heard),
        "decoder": decoder,
        "pause_s": PAUSE_S,
        "threads": 1,
    }
    write_result("serving.endurance", out, parameters, results, draw(heard, rss_mb, decoder))
    Console(width=100).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
