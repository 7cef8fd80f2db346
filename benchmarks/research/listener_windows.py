"""How long a window the second listener needs: errors, slips and cost by the least length.

    python -m benchmarks.research.listener_windows --data ../shared/data

Every clip is heard alone, once for each least length of the window, and once in a window that is
cut to the clip; a longer clip takes its own length and a little silence. A slip is a clip in which
a letter of another script was heard, a repeat one with more than half as many words again as were
said.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    ThreadsOption,
    load_clips,
    percentiles,
    run,
    write_json,
)
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.store.catalog import WHISPER_BASE
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.contract import MAX_SAMPLES, ListenerOptions, ListenRequest
from streamer.models.whisper.listener import WhisperListener
from streamer.models.whisper.loading import load_listener
from streamer.transcript.wer import WordErrors, normalize, word_errors

WINDOWS: Final = {
    "cut": ListenerOptions(least_s=0.02, bucket_s=0.02),
    **{f"{least_s} s": ListenerOptions(least_s=least_s) for least_s in (6, 8, 10, 15, 30)},
}
_SPEECHOCEAN: Final = "speechocean762"
_FLEURS: Final = "fleurs_7lang"
_LANGUAGES: Final = ("de", "es", "fr")


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip after one pass."""

    errors: WordErrors
    repeats: bool
    slips: bool
    cpu_s: float
    wall_s: float


def development_clips(data: Path) -> dict[str, list[Recording]]:
    """By what the table calls them: short clips of learners, harder English, other languages."""
    fleurs = load_clips(_FLEURS, data, every_language=True)
    return {
        _SPEECHOCEAN: load_clips(_SPEECHOCEAN, data)[:60],
        "librispeech_test_other": load_clips("librispeech_test_other", data),
        **{
            f"{_FLEURS} {language}": [c for c in fleurs if language_of(c) == language][:8]
            for language in _LANGUAGES
        },
    }


def language_of(clip: Recording) -> str:
    """Clips of several languages lie in folders that are called like them."""
    return clip.paths[0].parent.name if clip.set_name == _FLEURS else "en"


def slips(text: str) -> bool:
    """Whether a letter is of another script than Latin, which all these languages are in."""
    letters = [char for char in text if char.isalpha()]
    return any(not unicodedata.name(char, "").startswith("LATIN") for char in letters)


def repeats(text: str, reference: str) -> bool:
    """Whether there are more than half as many words again as were said."""
    return len(normalize(text)) > 1.5 * len(normalize(reference))


def hear(listener: WhisperListener, clip: Recording, beam_width: int) -> Heard:
    """One pass over the clip, or as much of it as a window can hold."""
    samples = np.concatenate(clip.pieces())[:MAX_SAMPLES]
    request = ListenRequest(samples, language_of(clip), beam_width=beam_width)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    (hearing,) = listener.hear([request])
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    text = hearing.hypotheses[0].text if hearing.hypotheses else ""
    return Heard(word_errors(clip.text, text), repeats(text, clip.text), slips(text), cpu_s, wall_s)


def summarize(heard: Sequence[Heard]) -> dict[str, Any]:
    """The figures of one set and one window."""
    return {
        "clips": len(heard),
        "wer_percent": round(100 * sum((one.errors for one in heard), WordErrors()).rate, 2),
        "repeats": sum(one.repeats for one in heard),
        "slips": sum(one.slips for one in heard),
        "cpu_s": round(float(np.mean([one.cpu_s for one in heard])), 3),
        "wall_ms": percentiles([1000 * one.wall_s for one in heard]),
    }


def table(results: dict[str, dict[str, Any]]) -> Table:
    """The summary for people."""
    shown = Table(title="Least length of the second listener's window")
    for column in ("set", "least", "WER %", "repeats", "slips", "CPU s a pass", "p50 ms"):
        shown.add_column(column, justify="left" if column == "set" else "right")
    for name, by_window in results.items():
        for window, row in by_window.items():
            figures = (row[key] for key in ("wer_percent", "repeats", "slips", "cpu_s"))
            shown.add_row(name, window, *map(str, figures), str(row["wall_ms"]["p50"]))
    return shown


def main(
    data: DataOption = Path("data"),
    model: Annotated[str, typer.Option(help="The second listener.")] = WHISPER_BASE.name,
    beam_width: Annotated[int, typer.Option(min=1, help="1 is greedy.")] = 5,
    threads: ThreadsOption = 1,
    out: OutOption = RESULTS / "research",
) -> None:
    clips = development_clips(data)
    heard: dict[str, dict[str, Any]] = {name: {} for name in clips}
    for window, options in WINDOWS.items():
        listener = load_listener(model, Zoo(), threads=threads, options=options)
        listener.language([np.zeros(SAMPLE_RATE, np.float32)])  # the first pass is slower
        for name, some in clips.items():
            told = track(some, f"{window}, {name}", console=Console(stderr=True))
            rows = [hear(listener, clip, beam_width) for clip in told]
            heard[name][window] = summarize(rows)
    parameters = {"model": model, "beam_width": beam_width, "threads": threads}
    write_json("research.listener_windows", out, parameters, heard)
    Console(width=100).print(table(heard))


app = run(main)

if __name__ == "__main__":
    app()
