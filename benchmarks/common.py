"""What the benchmarks share: recordings, the machine they ran on, and how results are kept.

Recordings come from `manifest.jsonl` files, one clip a line with at least `path` (relative to
the manifest) and `text`. A set is named `bundled` (the speech that the project ships), by the
path of its manifest, or by its folder's name under `asr/` in the data folder.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine, versions
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import DEFAULT_BLOCK_SAMPLES, read_samples
from streamer.client.bundled import bundled_speech
from streamer.recognition.contract import Decoder

RESULTS: Final = Path(__file__).resolve().parent / "results"
BUNDLED: Final = "bundled"
COLOURS: Final = {
    "offline": "#7f7f7f",
    "draft": "#1f77b4",
    "fused": "#d95f02",
    "low": "#d95f02",
    "balanced": "#1b9e77",
    "accurate": "#7570b3",
}

DataOption = Annotated[
    Path,
    typer.Option(envvar="STREAMER_BENCH_DATA", help="Folder that holds asr/SET/manifest.jsonl."),
]
SpeechOption = Annotated[
    str,
    typer.Option(
        "--speech",
        "--set",
        help="Sets, separated by commas: 'bundled', manifest files, or names in the data folder.",
    ),
]
OutOption = Annotated[Path, typer.Option(help="Where the JSON and the picture go.")]
SeedOption = Annotated[int, typer.Option(help="Of every random choice.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the engine.")]
DecoderOption = Annotated[Decoder, typer.Option(help="With the LLM (fused) or without (draft).")]
LlmOption = Annotated[bool, typer.Option("--llm/--no-llm", help="Also measure with the LLM.")]


@dataclass(frozen=True, slots=True)
class Recording:
    """A clip, or several to be heard as one."""

    set_name: str
    id: str
    paths: tuple[Path, ...]
    text: str
    speaker: str

    def pieces(self) -> list[Floats]:
        """The samples of each clip."""
        return [read_samples(path) for path in self.paths]


@dataclass(frozen=True, slots=True)
class Setup:
    """The options that the benchmarks of speech share."""

    speech: str
    data: Path
    llm: bool
    threads: int
    seed: int
    out: Path

    def clips(self) -> list[Recording]:
        """All clips of all sets."""
        return [clip for some in load_sets(self.speech, self.data).values() for clip in some]

    def publish(
        self,
        module: str,
        parameters: Mapping[str, Any],
        results: Mapping[str, Any],
        picture: Figure,
        table: Table,
        notes: Sequence[str],
        file: str | None = None,
    ) -> None:
        """Write JSON and picture, and show the table. `notes` tell how to read the figures; `file`
        is the name of both, by default the module's own."""
        shared = {"threads": self.threads, "seed": self.seed, "notes": list(notes)}
        write_result(module, self.out, {**parameters, **shared}, results, picture, file)
        Console(width=120).print(table)


def load_clips(source: str, data: Path, *, every_language: bool = False) -> list[Recording]:
    """All clips of one set whose words are known, the English ones unless all are wanted.

    Raises:
        typer.BadParameter: there is no such set.
    """
    if source == BUNDLED:
        return [
            Recording(BUNDLED, clip.path.stem, (clip.path,), clip.text, clip.speaker)
            for clip in bundled_speech()
        ]
    manifest = _manifest(source, data)
    return [
        Recording(
            manifest.parent.name,
            str(row.get("id", Path(row["path"]).stem)),
            (manifest.parent / row["path"],),
            row["text"],
            str(row.get("speaker", "")),
        )
        for row in _rows(manifest)
        if row["text"] and (every_language or row.get("language", "en") == "en")
    ]


def load_longform(source: str, data: Path) -> list[Recording]:
    """Recordings of minutes, from the `longform.jsonl` beside a set's manifest; maybe none."""
    if source == BUNDLED:
        return []
    listing = _manifest(source, data).with_name("longform.jsonl")
    if not listing.is_file():
        return []
    folder = listing.parent
    return [
        Recording(
            folder.name,
            str(row["id"]),
            tuple(folder / path for path in row["paths"]),
            row["text"],
            str(row.get("speaker", "")),
        )
        for row in _rows(listing)
    ]


def load_sets(names: str, data: Path) -> dict[str, list[Recording]]:
    """The clips of several sets, named as `SpeechOption` says, by the sets' short names."""
    sets: dict[str, list[Recording]] = {}
    for source in names.split(","):
        clips = load_clips(source.strip(), data)
        sets[clips[0].set_name] = clips
    return sets


def choose(
    sets: Mapping[str, Sequence[Recording]], count: int, seed: int
) -> dict[str, list[Recording]]:
    """`count` clips in all, the same number of each set as far as they go; 0 takes all.

    A larger count adds clips to those of a smaller one.
    """
    if count == 0:
        return {name: list(clips) for name, clips in sets.items()}
    shares = dict.fromkeys(sets, 0)
    for _ in range(count):
        open_sets = [name for name, clips in sets.items() if shares[name] < len(clips)]
        if not open_sets:
            break
        shares[min(open_sets, key=shares.__getitem__)] += 1
    chosen = {}
    for name, clips in sets.items():
        shuffled = sorted(clips, key=lambda clip: clip.id)
        random.Random(f"{seed} {name}").shuffle(shuffled)
        chosen[name] = shuffled[: shares[name]]
    return chosen


def blocks(samples: Floats) -> Iterator[Floats]:
    """Blocks of the size in which recordings are fed to a recognizer."""
    for at in range(0, len(samples), DEFAULT_BLOCK_SAMPLES):
        yield samples[at : at + DEFAULT_BLOCK_SAMPLES]


def speech_stream(clips: Sequence[Recording], seconds: float, pause_s: float, seed: int) -> Floats:
    """Clips in random order with silence between them, again and again if they are too few."""
    wanted = round(seconds * SAMPLE_RATE)
    silence = np.zeros(round(pause_s * SAMPLE_RATE), np.float32)
    shuffle = random.Random(seed)
    pieces: list[Floats] = []
    length = 0
    while length < wanted:
        for clip in shuffle.sample(clips, len(clips)):
            for piece in (*clip.pieces(), silence):
                pieces.append(piece)
                length += len(piece)
            if length >= wanted:
                break
    return np.concatenate(pieces)[:wanted]


def percentiles(values: Sequence[float], wanted: Sequence[int] = (50, 95)) -> dict[str, float]:
    """`{"p50": …, "p95": …}`, interpolated; empty without values."""
    if len(values) == 0:
        return {}
    return {f"p{p}": round(float(np.percentile(values, p)), 1) for p in wanted}


def interval95(values: Sequence[float] | npt.NDArray[np.float64], digits: int = 3) -> list[float]:
    """The ends of what holds 95 % of drawn values."""
    return [round(float(end), digits) for end in np.percentile(values, (2.5, 97.5))]


def write_result(
    module: str,
    out: Path,
    parameters: Mapping[str, Any],
    results: Mapping[str, Any],
    picture: Figure,
    file: str | None = None,
) -> Path:
    """As `write_json`, and the picture beside it; gives the JSON file's path."""
    path = write_json(module, out, parameters, results, file)
    picture.savefig(path.with_suffix(".png"), dpi=150)
    return path


def write_json(
    module: str,
    out: Path,
    parameters: Mapping[str, Any],
    results: Mapping[str, Any],
    file: str | None = None,
) -> Path:
    """Write what `benchmarks.MODULE`, or a module of the tests, found into `out`, as `FILE.json`
    (by default the module's own name)."""
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "benchmark": module,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(module),
        "machine": machine(),
        "versions": versions(),
        "parameters": dict(parameters),
        "results": dict(results),
    }
    path = out / f"{file or module.rpartition('.')[2]}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def figure(width: float = 9.0, height: float = 4.0) -> Figure:
    """An empty picture in the style of all of them."""
    return Figure(figsize=(width, height), layout="constrained")


def style(axes: Any, title: str, x: str, y: str) -> None:
    """Title, labels, a light grid, no box."""
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def run(function: Callable[..., None]) -> typer.Typer:
    """A command line of one command, described by the module that defines it."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=sys.modules[function.__module__].__doc__)(function)
    return app


def run_speech(function: Callable[..., None], speech: str = BUNDLED) -> typer.Typer:
    """As `run`, for a function whose first argument is a `Setup`: the shared options stand
    before its own. `speech` is the default set."""

    def command(
        speech: SpeechOption = speech,
        data: DataOption = Path("data"),
        llm: LlmOption = True,
        threads: ThreadsOption = 2,
        seed: SeedOption = 0,
        out: OutOption = RESULTS,
        **own: Any,
    ) -> None:
        function(Setup(speech, data, llm, threads, seed, out), **own)

    *shared, _ = inspect.signature(command, eval_str=True).parameters.values()
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    command.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    command.__module__ = function.__module__
    return run(command)


def _manifest(source: str, data: Path) -> Path:
    path = Path(source)
    folder = data / source if "/" in source else data / "asr" / source
    manifest = path if path.suffix == ".jsonl" else folder / "manifest.jsonl"
    if not manifest.is_file():
        raise typer.BadParameter(f"no set {source!r}: {manifest} does not exist; see --data")
    return manifest


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _command(module: str) -> str:
    """How to repeat the run from the project's folder, without this machine's folders."""
    here = Path.cwd()
    arguments = [
        os.path.relpath(word, here) if Path(word).is_absolute() else word for word in sys.argv[1:]
    ]
    name = module if module.startswith("tests.") else f"benchmarks.{module}"
    return shlex.join(["python", "-m", name, *arguments])
