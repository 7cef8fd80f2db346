"""How near to the machine's limits the models run.

Measures the peaks (matrix products in each arithmetic, reading memory), counts the work of every
graph that the given results of `benchmarks.profile` saw, and sets the CPU time they took against
the time the peaks allow: the longer of computing and reading, one thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import RESULTS, OutOption, figure, run, style, write_result
from benchmarks.flops import (
    Work,
    moonshine_bands,
    moonshine_cross_kv,
    moonshine_decoder,
    moonshine_encoder,
    moonshine_frames,
)
from benchmarks.graph_flops import counted
from benchmarks.peaks import ARITHMETICS, SIZES, copy_gb_s, gigaops, read_gb_s
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES
from streamer.models.store.catalog import EMOTION
from streamer.models.store.zoo import Zoo

MEMORY_MB: Final = 512
CACHE_MB: Final = 8
Shapes = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Roof:
    """The peaks of one thread, in operations and bytes a second."""

    float_ops: float
    int8_ops: float
    bytes: float

    def seconds(self, work: Work) -> float:
        """The least time that `work` takes."""
        computing = work.float_ops / self.float_ops + work.int8_ops / self.int8_ops
        return max(computing, work.bytes / self.bytes)


@dataclass(frozen=True, slots=True)
class Part:
    """A graph in one use: its work and its CPU time for each second of audio."""

    name: str
    work: Work
    cpu_s: float


def work_of(graph: str, shapes: Shapes, emotion: Path) -> Work | None:
    """The work of one mean run of a graph; None for graphs that are not counted.

    Means stand for all runs, which understates what grows with the square of a length a little.
    """
    if graph == "emotion.onnx":
        noise = np.random.default_rng(0).standard_normal(round(shapes["samples"][1]), np.float32)
        return counted(emotion, {"samples": noise[None]})
    formula = _FORMULAS.get(graph)
    return formula(shapes) if formula is not None else None


def _encode_window(shapes: Shapes) -> Work:
    samples = shapes["input_values"][1]
    frames = samples / FRAME_SAMPLES
    layers = moonshine_encoder(frames, frames)
    return moonshine_bands(samples) + moonshine_frames(frames) + layers


def _encode_newest(shapes: Shapes) -> Work:
    rows, frames = shapes["positions"]
    layers = moonshine_encoder(frames, shapes["past.0.key"][2] + frames)
    return (moonshine_frames(frames) + layers + moonshine_cross_kv(frames)) * rows


def _step(shapes: Shapes) -> Work:
    rows, tokens = shapes["tokens"]
    past, frames = shapes["past.0.key"][2], shapes["cross.0.key"][2]
    scored = shapes["n_scored"][0] if "n_scored" in shapes else tokens
    return moonshine_decoder(rows, tokens, past, frames, rows * scored)


_FORMULAS: Final[Mapping[str, Callable[[Shapes], Work]]] = {
    # of version 0.1.0 before the encoder kept its states: the whole window at every step
    "encoder_model.ort": _encode_window,
    "cross_kv.onnx": lambda shapes: moonshine_cross_kv(shapes["states"][1]),
    # new audio only, then the newest frames over the keys and values of older ones
    "stem.onnx": lambda shapes: moonshine_bands(shapes["samples"][1]) * shapes["samples"][0],
    "encode.onnx": _encode_newest,
    "step.onnx": _step,
}


def parts_of(profile: Mapping[str, Any], emotion: Path) -> list[Part]:
    """All graphs in a profile, costliest first."""
    seconds = profile["parameters"]["seconds"]
    found = []
    for name, part in profile["results"]["parts"].items():
        graph = name.partition(" (")[0]
        if not part["mean_shapes"]:
            continue
        work = work_of(graph, part["mean_shapes"], emotion)
        if work is not None:
            found.append(Part(name, work * (part["runs"] / seconds), part["cpu_s_per_audio_s"]))
    return sorted(found, key=lambda part: -part.cpu_s)


def peaks() -> dict[str, Any]:
    """What this machine reaches, with one thread and with two."""
    return {
        "gigaops": {
            arithmetic: {
                size.name: [round(gigaops(arithmetic, size, threads), 1) for threads in (1, 2)]
                for size in SIZES
            }
            for arithmetic in ARITHMETICS
        },
        "read_memory_gb_s": [round(read_gb_s(MEMORY_MB, threads), 1) for threads in (1, 2)],
        "read_cache_gb_s": [round(read_gb_s(CACHE_MB, threads), 1) for threads in (1, 2)],
        "copy_memory_gb_s": round(copy_gb_s(MEMORY_MB), 1),
    }


def roof(found: Mapping[str, Any]) -> Roof:
    """The best of one thread at any size."""
    best = {name: max(one for one, _ in sizes.values()) for name, sizes in found["gigaops"].items()}
    return Roof(1e9 * best["float32"], 1e9 * best["int8"], 1e9 * found["read_memory_gb_s"][0])


def summarize(
    found: Mapping[str, Any], profiles: Mapping[str, Sequence[Part]], limit: Roof
) -> dict[str, Any]:
    """Peaks, and each part beside what they allow."""
    return {
        "peaks": dict(found),
        "profiles": {
            label: {
                part.name: {
                    "gigaops_per_audio_s": round(part.work.ops / 1e9, 4),
                    "int8_share": round(part.work.int8_ops / part.work.ops, 3),
                    "megabytes_per_audio_s": round(part.work.bytes / 1e6, 2),
                    "roofline_ms_per_audio_s": round(1000 * limit.seconds(part.work), 3),
                    "cpu_ms_per_audio_s": round(1000 * part.cpu_s, 3),
                    "share_of_roof": round(limit.seconds(part.work) / part.cpu_s, 3),
                }
                for part in parts
            }
            for label, parts in profiles.items()
        },
    }


def tables(results: Mapping[str, Any]) -> list[Table]:
    """The summary for people."""
    speeds = Table(title="10^9 operations a second, one thread / two")
    speeds.add_column("matrix product")
    gigaops_found = results["peaks"]["gigaops"]
    for arithmetic in gigaops_found:
        speeds.add_column(arithmetic, justify="right")
    for size in SIZES:
        cells = (
            f"{sizes[size.name][0]} / {sizes[size.name][1]}" for sizes in gigaops_found.values()
        )
        speeds.add_row(f"{size.name} [{size.m}×{size.k}×{size.n}]", *cells)
    shown = Table(title="For each second of audio")
    for column in ("profile", "part", "Gop", "MB", "roof ms", "CPU ms", "of roof"):
        shown.add_column(column, justify="left" if column in ("profile", "part") else "right")
    for label, parts in results["profiles"].items():
        for name, part in parts.items():
            shown.add_row(
                label,
                name,
                f"{part['gigaops_per_audio_s']:.2f}",
                f"{part['megabytes_per_audio_s']:.0f}",
                f"{part['roofline_ms_per_audio_s']:.1f}",
                f"{part['cpu_ms_per_audio_s']:.1f}",
                f"{100 * part['share_of_roof']:.0f} %",
            )
        shown.add_section()
    return [speeds, shown]


def draw(profiles: Mapping[str, Sequence[Part]], limit: Roof) -> Figure:
    """Roofs and the parts under them; time beside what the roof allows."""
    picture = figure(12, 1.8 + 0.55 * max(6, sum(map(len, profiles.values()))))
    plane, bars = picture.subplots(1, 2)
    intensity = np.geomspace(1, 1_000, 100)
    for name, top in (("int8", limit.int8_ops), ("float32", limit.float_ops)):
        speed = np.minimum(top, intensity * limit.bytes) / 1e9
        plane.plot(intensity, speed, color="#555555", linestyle="-" if name == "int8" else "--")
        plane.annotate(name, (intensity[-1], top / 1e9), ha="right", va="bottom", fontsize=8)
    names, at = [], 0
    for index, (label, parts) in enumerate(profiles.items()):
        for part in parts:
            colour = f"C{index}"
            first = part is parts[0]
            speed = part.work.ops / part.cpu_s / 1e9
            ratio = part.work.ops / part.work.bytes
            plane.plot(ratio, speed, "o", color=colour, label=label if first else "")
            plane.annotate(
                part.name,
                (ratio, speed),
                fontsize=7,
                xytext=(4, 3),
                textcoords="offset points",
            )
            bars.barh(at, 1000 * part.cpu_s, color=colour, label=label if first else "")
            bars.barh(at, 1000 * limit.seconds(part.work), 0.4, color="#333333")
            names.append(part.name)
            at += 1
    plane.set_xscale("log")
    plane.set_yscale("log")
    plane.legend(frameon=False, fontsize=8)
    style(plane, "Roofline, one thread", "operations for each byte", "10^9 operations a second")
    bars.set_yticks(range(len(names)), names, fontsize=8)
    bars.invert_yaxis()
    bars.legend(frameon=False, fontsize=8)
    style(bars, "CPU time (dark: what the roof allows)", "ms for each second of audio", "")
    bars.grid(visible=False, axis="y")
    return picture


def main(
    profile: Annotated[
        list[Path], typer.Option(help="A result of benchmarks.profile; may be given again.")
    ],
    out: OutOption = RESULTS,
) -> None:
    emotion = Zoo().path(EMOTION.name, "emotion.onnx")
    profiles = {}
    for path in profile:
        document = json.loads(path.read_text(encoding="utf-8"))
        label = f"{document['parameters']['decoder']}, {document['parameters']['label']}"
        profiles[label] = parts_of(document, emotion)
    found = peaks()
    limit = roof(found)
    results = summarize(found, profiles, limit)
    parameters = {
        "profiles": list(profiles),
        "notes": [
            "peaks of one thread are counted in its CPU time, of two threads by the clock",
            "bytes are counted as read from memory each time; weights that stay in the "
            "processor's cache beat that roof",
            "emotion: the work of the installed graph, which an older profile may not have run",
            "the roof of a part is that of its matrix products and convolutions alone",
        ],
    }
    write_result("roofline", out, parameters, results, draw(profiles, limit))
    for one in tables(results):
        Console(width=110).print(one)


app = run(main)

if __name__ == "__main__":
    app()
