"""Memory of `streamer transcribe` by the length of the file: minutes against hours.

The command runs as people run it, in a process of its own, with all caption formats saved and
JSON printed; its resident memory is read while it works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
import soundfile
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    BUNDLED,
    COLOURS,
    RESULTS,
    DataOption,
    DecoderOption,
    OutOption,
    Recording,
    figure,
    load_clips,
    run,
    style,
    write_result,
)
from benchmarks.serving.endurance import endless, minutes_of
from streamer.audio.clock import SAMPLE_RATE

READ_EVERY_S: Final = 0.5
SHOWN_READINGS: Final = 400


@dataclass(frozen=True, slots=True)
class Run:
    """One file through the command."""

    minutes: float
    peak_rss_mb: float
    cpu_s: float
    segments: int
    rss_mb: tuple[float, ...]
    """At equal distances of time."""


def write_speech(path: Path, clips: Sequence[Recording], minutes: int) -> None:
    """Clip after clip with pauses, minute by minute: this process needs no memory for it either."""
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for minute in minutes_of(endless(clips), minutes):
            file.write(minute)


def measure(path: Path, folder: Path, decoder: str) -> Run:
    """Run the command and watch it.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "streamer", "transcribe", str(path), "--json"]
    options = ["--save", str(folder), "--decoder", decoder, "--threads", "1"]
    with (folder / "output.json").open("w", encoding="utf-8") as output:
        process = subprocess.Popen([*command, *options], stdout=output)
        rss_mb = list(_readings(process.pid))
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    lines = (folder / f"{path.stem}.jsonl").read_text(encoding="utf-8").count("\n")
    return Run(
        soundfile.info(path).duration / 60,
        # What the kernel calls the peak counts this process too, which the other was forked from.
        max(rss_mb),
        round(usage.ru_utime + usage.ru_stime, 1),
        lines,
        tuple(rss_mb[:: len(rss_mb) // SHOWN_READINGS + 1]),
    )


def _readings(pid: int) -> Iterator[float]:
    """Resident megabytes until the process has ended (and waits to be collected)."""
    process = psutil.Process(pid)
    while process.status() != psutil.STATUS_ZOMBIE:
        yield round(process.memory_info().rss / 1e6, 1)
        time.sleep(READ_EVERY_S)


def table(runs: Sequence[Run]) -> Table:
    """The summary for people."""
    shown = Table(title="Transcribing files")
    for column in ("minutes", "peak MB", "CPU s / audio s", "segments"):
        shown.add_column(column, justify="right")
    for one in runs:
        cost = one.cpu_s / (60 * one.minutes)
        shown.add_row(f"{one.minutes:g}", f"{one.peak_rss_mb:g}", f"{cost:.3f}", f"{one.segments}")
    return shown


def draw(runs: Sequence[Run], decoder: str) -> Figure:
    """Memory while the files are heard."""
    picture = figure(7, 4)
    axes = picture.subplots()
    for one, line in zip(runs, ("-", "--", ":", "-."), strict=False):
        share = [100 * i / len(one.rss_mb) for i in range(len(one.rss_mb))]
        label = f"{one.minutes:g} minutes, peak {one.peak_rss_mb:.0f} MB"
        axes.plot(share, one.rss_mb, line, color=COLOURS[decoder], label=label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    style(axes, "Resident memory of streamer transcribe", "% of the time it took", "MB")
    return picture


def main(
    speech: Annotated[str, typer.Option("--speech", help="A set of clips.")] = BUNDLED,
    data: DataOption = Path("data"),
    minutes: Annotated[
        list[int] | None, typer.Option(min=1, help="Length of a file; may be repeated.")
    ] = None,
    decoder: DecoderOption = "draft",
    out: OutOption = RESULTS,
) -> None:
    clips = load_clips(speech, data)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        for length in track(minutes or [5, 120], "hearing", console=Console(stderr=True)):
            write_speech(path, clips, length)
            runs.append(measure(path, Path(folder), decoder))
    results: Mapping[str, Any] = {f"{one.minutes:g}_minutes": asdict(one) for one in runs}
    parameters = {"speech": speech, "decoder": decoder, "threads": 1}
    write_result("serving.long_files", out, parameters, results, draw(runs, decoder))
    Console(width=100).print(table(runs))


app = run(main)

if __name__ == "__main__":
    app()
