"""Where the time goes: CPU seconds for each second of audio, by stage, graph and operator.

One session hears real speech in this process, as fast as it goes, with one thread for each
model; then again with ONNX Runtime's profiler on; then through the real server over its
websocket, in real time, where all that runs on the server's main thread is its own cost:
receive, resample, JSON, event loop. `--flame` lets py-spy watch another pass.
Results of several runs, told apart by `--label`, share one picture.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

import streamer
from benchmarks.common import (
    RESULTS,
    DataOption,
    DecoderOption,
    OutOption,
    SeedOption,
    SpeechOption,
    blocks,
    load_sets,
    run,
    speech_stream,
    write_json,
)
from benchmarks.profiling.cpu_spans import Cost, measured, operators
from benchmarks.profiling.stages import by_stage, draw, table
from benchmarks.serving.live import LiveSession, live_session
from benchmarks.serving.server_process import server_process
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.messages import StartMessage
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans

PAUSE_S: Final = 0.5
WARM_UP_S: Final = 5.0
OPERATOR_S: Final = 30.0
FLAME_HZ: Final = 250
STEP: Final = "ledger and events"
OTHERS: Final = "other threads"


def in_process(engine: Engine, samples: Floats, decoder: Decoder) -> tuple[float, dict[str, Cost]]:
    """CPU seconds in all, and by part; what no span or graph covers is `STEP` on the thread that
    steps, and `OTHERS` on the threads that serve it."""
    with measured() as spans:
        recognizer = engine.recognizer(SessionOptions(decoder=decoder), spans)
        began_s, thread_began_s = time.process_time(), time.thread_time()
        transcribe(blocks(samples), recognizer)
        step_s = time.thread_time() - thread_began_s
        others_s = time.process_time() - began_s - step_s
        recognizer.close()
    costs = spans.costs()
    here_s = spans.covered_s(threading.get_ident())
    costs[STEP] = Cost(step_s - here_s)
    costs[OTHERS] = Cost(others_s - (sum(cost.cpu_s for cost in costs.values()) - step_s))
    return step_s + others_s, costs


@dataclass(frozen=True, slots=True)
class ServerCost:
    """CPU seconds of a server for one session in real time."""

    total_s: float
    main_thread_s: float
    llm_pauses: int
    """Other than 0, the server left out work that the pass in this process did."""


def by_server(samples: Floats, decoder: Decoder) -> ServerCost:
    """The same audio through the real server."""
    with server_process("llm" if decoder == "fused" else "no_llm", threads=1) as server:

        def hear(some: Floats) -> LiveSession:
            return asyncio.run(live_session(server.url, some, StartMessage(decoder=decoder)))

        hear(samples[: round(WARM_UP_S * SAMPLE_RATE)])
        total_s, main_s = server.cpu_s(), server.main_thread_cpu_s()
        session = hear(samples)
        total_s, main_s = server.cpu_s() - total_s, server.main_thread_cpu_s() - main_s
    return ServerCost(total_s, main_s, session.llm_pauses)


def operator_times(samples: Floats, decoder: Decoder) -> dict[str, dict[str, float]]:
    """Wall milliseconds by graph and operator, under ONNX Runtime's profiler."""
    with operators() as found:
        engine = Engine.load(EngineOptions(threads=1, llm=decoder == "fused", latency="low"))
        try:
            listen(engine, samples, decoder)
        finally:
            engine.close()
    return found


def operator_costs(
    costs: Mapping[str, Cost], times: Mapping[str, Mapping[str, float]], audio_s: float
) -> dict[str, dict[str, float]]:
    """CPU seconds for a second of audio, by graph and operator: a graph's own, shared out as its
    operators' wall times are under the profiler. Less than 1 % of the graph is left out."""
    found = {}
    for graph, elapsed in times.items():
        cpu_s = sum(c.cpu_s for part, c in costs.items() if _graph(part) == graph) / audio_s
        total = sum(elapsed.values())
        found[graph] = {
            name: round(cpu_s * ms / total, 6) for name, ms in elapsed.items() if ms >= 0.01 * total
        }
    return found


def _graph(part: str) -> str:
    return part.partition(" (")[0]


def listen(engine: Engine, samples: Floats, decoder: Decoder) -> None:
    """A plain pass."""
    recognizer = engine.recognizer(SessionOptions(decoder=decoder), NullSpans())
    transcribe(blocks(samples), recognizer)
    recognizer.close()


@contextmanager
def watched(target: Path) -> Iterator[None]:
    """py-spy draws a flame graph of what this process does in the block; it must be allowed to
    trace its parent (root, or kernel.yama.ptrace_scope=0). Python frames only: ONNX Runtime's
    library has no symbols.

    Raises:
        FileNotFoundError: py-spy is not installed.
        RuntimeError: it failed; the message is its own.
    """
    command = ["py-spy", "record", "--threads", "--rate", str(FLAME_HZ)]
    # The picture shows the command: a bare name keeps the machine's folders out of it.
    command += ["--duration", "3600", "--output", target.name, "--pid", str(os.getpid())]
    with subprocess.Popen(
        command, cwd=target.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as spy:
        time.sleep(2)  # it reads the symbols of all libraries first
        try:
            yield
        finally:
            spy.send_signal(2)
            said, _ = spy.communicate()
    if not target.is_file():
        raise RuntimeError(f"py-spy failed: {said.decode(errors='replace').strip()}")


def summarize(
    total_s: float, costs: Mapping[str, Cost], server: ServerCost | None, audio_s: float
) -> dict[str, Any]:
    """All in CPU seconds for a second of audio."""
    parts = {
        part: {
            "cpu_s_per_audio_s": round(cost.cpu_s / audio_s, 6),
            "runs": cost.runs,
            "mean_shapes": cost.mean_shapes(),
        }
        for part, cost in sorted(costs.items(), key=lambda item: -item[1].cpu_s)
    }
    found: dict[str, Any] = {
        "cpu_s_per_audio_s": round(total_s / audio_s, 5),
        "stages": by_stage(costs, audio_s),
        "parts": parts,
    }
    if server is not None:
        found["server"] = {
            "cpu_s_per_audio_s": round(server.total_s / audio_s, 5),
            "main_thread_cpu_s_per_audio_s": round(server.main_thread_s / audio_s, 5),
            "llm_pauses": server.llm_pauses,
        }
    return found


def commit() -> str:
    """Of the code that was measured; `+` if it was changed since."""
    folder = Path(streamer.__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        name = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()
        changed = subprocess.check_output(
            [*git, "status", "--porcelain", "-uno", "--", ".", "../models"], text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def main(
    label: Annotated[str, typer.Option(help="Name of this result, such as 'before'.")],
    decoder: DecoderOption = "fused",
    speech: SpeechOption = "librispeech_test_clean_opus",
    data: DataOption = Path("data"),
    seconds: Annotated[float, typer.Option(min=1, help="Of speech.")] = 60,
    repeats: Annotated[int, typer.Option(min=1, help="Passes; the cheapest counts.")] = 2,
    server: Annotated[bool, typer.Option("--server/--no-server", help="Real server too.")] = True,
    flame: Annotated[bool, typer.Option("--flame", help="Also a flame graph, by py-spy.")] = False,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    clips = [clip for some in load_sets(speech, data).values() for clip in some]
    samples = speech_stream(clips, seconds, PAUSE_S, seed)
    engine = Engine.load(EngineOptions(threads=1, llm=decoder == "fused", latency="low"))
    try:
        listen(engine, samples[: round(WARM_UP_S * SAMPLE_RATE)], decoder)
        passes = [in_process(engine, samples, decoder) for _ in range(repeats)]
        if flame:
            out.mkdir(parents=True, exist_ok=True)
            with watched(out / f"flame-{label}-{decoder}.svg"):
                listen(engine, samples, decoder)
    finally:
        engine.close()
    total_s, costs = min(passes, key=lambda one: one[0])
    measured_server = by_server(samples, decoder) if server else None
    results = summarize(total_s, costs, measured_server, seconds)
    times = operator_times(samples[: round(OPERATOR_S * SAMPLE_RATE)], decoder)
    results["operators"] = operator_costs(costs, times, seconds)
    parameters = {
        "label": label,
        "commit": commit(),
        "decoder": decoder,
        "speech": sorted({clip.set_name for clip in clips}),
        "seconds": seconds,
        "pause_s": PAUSE_S,
        "repeats": repeats,
        "threads": 1,
        "seed": seed,
        "notes": [
            "a part leaves out the parts inside it: 'encode' is Python around the encoder's graphs",
            "the server works in real time, the other passes as fast as they go",
            f"operators: a graph's figure, shared out as under the profiler ({OPERATOR_S:.0f} s)",
        ],
    }
    write_json("profiling.profile", out, parameters, results, file=f"profile-{label}-{decoder}")
    documents = [json.loads(path.read_text()) for path in sorted(out.glob("profile-*.json"))]
    documents.sort(key=lambda document: (document["parameters"]["decoder"], document["date"]))
    draw(documents).savefig(out / "profile.png", dpi=150)
    Console(width=100).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
