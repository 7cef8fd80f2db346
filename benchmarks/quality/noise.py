"""Minutes of everything but speech: how many words are made up, and what listening costs.

Digital silence, mains hum, white, pink and brown noise, and synthetic music (chords, arpeggios
and drums), each through a recognizer of its own as fast as it goes. The right number of words
is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    RESULTS,
    LlmOption,
    OutOption,
    SeedOption,
    ThreadsOption,
    blocks,
    figure,
    run,
    style,
    write_result,
)
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SegmentClosed, SessionEvent, StepDone

Generator = np.random.Generator
Sound = Callable[[int, Generator], npt.NDArray[np.float64]]

HUM_HZ: Final = 50.0
BEAT_S: Final = 0.625
"""96 beats a minute."""
CHORDS: Final = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62), (50, 53, 57), (52, 56, 59))
"""MIDI notes: Am F C G Dm E."""
SHOWN_WORDS: Final = 20


def silence(n: int, rng: Generator) -> npt.NDArray[np.float64]:
    """Zeros."""
    return np.zeros(n)


def hum(n: int, rng: Generator) -> npt.NDArray[np.float64]:
    """Mains hum with its first harmonics."""
    t = np.arange(n) / SAMPLE_RATE
    out = np.zeros(n)
    for harmonic, share in ((1, 1.0), (2, 0.5), (3, 0.3), (5, 0.1)):
        out += share * np.sin(2 * np.pi * HUM_HZ * harmonic * t)
    return out


def coloured(exponent: float) -> Sound:
    """Noise whose power falls with frequency to the power of `exponent`, above 20 Hz."""

    def noise(n: int, rng: Generator) -> npt.NDArray[np.float64]:
        if exponent == 0:
            return rng.standard_normal(n)
        spectrum = np.fft.rfft(rng.standard_normal(n))
        hertz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
        spectrum *= np.maximum(hertz, 20.0) ** (-exponent / 2)
        spectrum[hertz < 20.0] = 0
        shaped: npt.NDArray[np.float64] = np.fft.irfft(spectrum, n)
        return shaped

    return noise


def music(n: int, rng: Generator) -> npt.NDArray[np.float64]:
    """Bars of four beats: a held chord, an arpeggio on top, drums below."""
    beat = round(BEAT_S * SAMPLE_RATE)
    out = np.zeros(n + 8 * beat)
    for bar in range(0, n, 4 * beat):
        chord = CHORDS[rng.integers(len(CHORDS))]
        for note in chord:
            _add(out, bar, 0.25 * _note(note, 4 * BEAT_S, attack_s=0.1))
        for eighth in range(8):
            at = bar + eighth * beat // 2
            note = chord[rng.integers(3)] + 12 * int(rng.integers(1, 3))
            _add(out, at, 0.4 * _note(note, BEAT_S, attack_s=0.005))
            _add(out, at, 0.15 * _hit(rng, 0.03))
        for index in range(4):
            at = bar + index * beat
            _add(out, at, _kick() if index % 2 == 0 else 0.6 * _hit(rng, 0.12))
    return out[:n]


SOUNDS: Final[dict[str, Sound]] = {
    "silence": silence,
    "hum": hum,
    "white noise": coloured(0),
    "pink noise": coloured(1),
    "brown noise": coloured(2),
    "music": music,
}


def sound(name: str, minutes: float, level_dbfs: float, seed: int) -> Floats:
    """Samples at a root mean square of `level_dbfs`, with peaks cut at full scale."""
    samples = SOUNDS[name](round(minutes * 60 * SAMPLE_RATE), np.random.default_rng(seed))
    rms = float(np.sqrt(np.mean(samples**2)))
    if rms > 0:
        samples *= 10 ** (level_dbfs / 20) / rms
    return np.clip(samples, -1, 1).astype(np.float32)


def measure(engine: Engine, samples: Floats, options: SessionOptions) -> dict[str, Any]:
    """What the recognizer made of it."""
    recognizer = engine.recognizer(options, NullSpans())
    stages_ms: Counter[str] = Counter()
    segments = 0

    def note(event: SessionEvent) -> None:
        nonlocal segments
        if isinstance(event, StepDone):
            stages_ms.update(event.stages_ms)
        elif isinstance(event, SegmentClosed):
            segments += 1

    try:
        result = transcribe(blocks(samples), recognizer, on_event=note)
    finally:
        recognizer.close()
    words = result.text.split()
    # The LLM works inside `fuse`, the emotion classifier on a thread of its own.
    model_ms = sum(ms for stage, ms in stages_ms.items() if stage != "llm")
    return {
        "words": len(words),
        "first_words": " ".join(words[:SHOWN_WORDS]),
        "segments_opened": segments,
        "compute_s": round(result.compute_s, 3),
        "model_s": round(model_ms / 1000, 3),
        "model_s_beyond_vad": round((model_ms - stages_ms["vad"]) / 1000, 3),
        "stages_s": {stage: round(ms / 1000, 3) for stage, ms in stages_ms.items()},
    }


def table(results: Mapping[str, Any], minutes: float) -> Table:
    """The summary for people."""
    shown = Table(title=f"{minutes:g} minutes of no speech")
    for column in ("sound", "words", "segments", "models, s", "without the gate's, s"):
        shown.add_column(column, justify="left" if column == "sound" else "right")
    for name, figures in results.items():
        names = ("words", "segments_opened", "model_s", "model_s_beyond_vad")
        shown.add_row(name, *(str(figures[key]) for key in names))
    return shown


def draw(results: Mapping[str, Any], minutes: float) -> Figure:
    """Words beside model time."""
    picture = figure(10, 3.8)
    words, cost = picture.subplots(1, 2)
    names = list(results)
    bars = words.bar(names, [results[name]["words"] for name in names], color=COLOURS["fused"])
    words.bar_label(bars)
    words.set_ylim(0, max(5, *(1.1 * results[name]["words"] for name in names)))
    style(words, f"Words in {minutes:g} minutes", "", "words (should be 0)")
    gate = [results[name]["stages_s"].get("vad", 0.0) for name in names]
    rest = [results[name]["model_s_beyond_vad"] for name in names]
    cost.bar(names, gate, color=COLOURS["offline"], label="speech gate")
    cost.bar(names, rest, bottom=gate, color=COLOURS["draft"], label="everything behind it")
    cost.legend(frameon=False)
    cost.margins(y=0.3)
    style(cost, "Model time", "", "seconds")
    for axes in (words, cost):
        axes.tick_params(axis="x", rotation=20)
    return picture


def main(
    minutes: Annotated[float, typer.Option(min=0.05, help="Of each sound.")] = 10,
    level_dbfs: Annotated[float, typer.Option(help="Root mean square of each sound.")] = -23,
    llm: LlmOption = True,
    threads: ThreadsOption = 2,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    engine = Engine.load(EngineOptions(threads=threads, llm=llm, latency="low"))
    options = SessionOptions(decoder="fused" if llm else "draft")
    try:
        results = {
            name: measure(engine, sound(name, minutes, level_dbfs, seed), options)
            for name in track(SOUNDS, "listening", console=Console(stderr=True))
        }
    finally:
        engine.close()
    parameters = {
        "minutes": minutes,
        "level_dbfs": level_dbfs,
        "llm": llm,
        "threads": threads,
        "seed": seed,
    }
    write_result("quality.noise", out, parameters, results, draw(results, minutes))
    Console(width=100).print(table(results, minutes))


def _add(out: npt.NDArray[np.float64], at: int, piece: npt.NDArray[np.float64]) -> None:
    """Mix `piece` into `out`, as far as it fits."""
    end = min(len(out), at + len(piece))
    out[at:end] += piece[: end - at]


def _note(midi: int, seconds: float, attack_s: float) -> npt.NDArray[np.float64]:
    """A tone with four harmonics that dies away."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hertz = 440 * 2 ** ((midi - 69) / 12)
    tone = np.zeros_like(t)
    for harmonic in range(1, 5):
        tone += np.sin(2 * np.pi * hertz * harmonic * t) / harmonic
    tone *= np.minimum(t / attack_s, 1) * np.exp(-2 * t / seconds)
    tone *= np.minimum((t[-1] - t) / 0.01, 1)
    return tone


def _hit(rng: Generator, decay_s: float) -> npt.NDArray[np.float64]:
    """A burst of bright noise: snare or hi-hat."""
    t = np.arange(round(6 * decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    return np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-t / decay_s)


def _kick() -> npt.NDArray[np.float64]:
    """A bass drum: a sine that falls from 150 to 50 Hz."""
    t = np.arange(round(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * (50 * t + 100 * 0.05 * (1 - np.exp(-t / 0.05)))
    kick: npt.NDArray[np.float64] = 1.5 * np.sin(phase) * np.exp(-t / 0.1)
    return kick


app = run(main)

if __name__ == "__main__":
    app()
