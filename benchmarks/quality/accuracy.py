"""Word error rate, word delay and compute of three ways to hear the same recordings.

offline: each clip encoded whole, decoded greedily; draft: streaming without the LLM; fused:
streaming with the LLM. All use the same speech weights. Differences come with 95 % intervals of
a paired bootstrap over recordings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    Recording,
    Setup,
    choose,
    figure,
    interval95,
    load_longform,
    load_sets,
    percentiles,
    run_speech,
    style,
)
from benchmarks.quality.offline import OfflineRecognizer
from benchmarks.quality.streaming import stream
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, word_errors

DEFAULT_SETS: Final = "librispeech_dev_clean_mp3,librispeech_test_clean_opus,librispeech_test_other"
ALL: Final = "all"
LONGFORM: Final = "longform"
BOOTSTRAP_SAMPLES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one system made of one recording."""

    errors: WordErrors
    text: str
    audio_s: float
    compute_s: float
    """Wall time."""
    cpu_s: float
    """Of all threads."""
    commit_delays_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """One recording and what each system made of it."""

    recording: Recording
    group: str
    outcomes: Mapping[str, Outcome]


System = Callable[[Recording, Sequence[Floats]], Outcome]


def systems(engine: Engine, *, fused: bool, emotion: bool) -> dict[str, System]:
    """The ways to hear, by name."""
    offline = OfflineRecognizer(engine)

    def hear_offline(recording: Recording, pieces: Sequence[Floats]) -> Outcome:
        began, cpu = time.perf_counter(), time.process_time()
        text = " ".join(offline.greedy(piece) for piece in pieces)
        elapsed, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        audio_s = sum(map(len, pieces)) / SAMPLE_RATE
        return Outcome(word_errors(recording.text, text), text, audio_s, elapsed, cpu_s)

    ways = {"offline": hear_offline, "draft": streaming(engine, "draft", emotion=emotion)}
    return ways | {"fused": streaming(engine, "fused", emotion=emotion)} if fused else ways


def streaming(engine: Engine, decoder: Decoder, *, emotion: bool) -> System:
    """Through a session's recognizer, hop by hop."""
    options = SessionOptions(decoder=decoder, emotion=emotion)

    def hear(recording: Recording, pieces: Sequence[Floats]) -> Outcome:
        cpu = time.process_time()
        streamed = stream(engine, np.concatenate(pieces), options)
        result = streamed.transcription
        return Outcome(
            word_errors(recording.text, result.text),
            result.text,
            result.n_samples / SAMPLE_RATE,
            result.compute_s,
            time.process_time() - cpu,
            streamed.commit_delays_ms,
        )

    return hear


def long_recordings(setup: Setup) -> dict[str, list[Recording]]:
    """Recordings of minutes of each set that has some."""
    every = [load_longform(source.strip(), setup.data) for source in setup.speech.split(",")]
    return {f"{LONGFORM} {some[0].set_name}": some for some in every if some}


def measure(
    ways: Mapping[str, System], recordings: Mapping[str, Sequence[Recording]]
) -> list[Heard]:
    """Every system on every recording, grouped as given."""
    work = [(group, recording) for group, some in recordings.items() for recording in some]
    heard = []
    for group, recording in track(work, "hearing", console=Console(stderr=True)):
        pieces = recording.pieces()
        outcomes = {name: hear(recording, pieces) for name, hear in ways.items()}
        heard.append(Heard(recording, group, outcomes))
    return heard


def summarize(heard: Sequence[Heard], seed: int) -> dict[str, Any]:
    """Figures for each group; `all` pools the groups of single clips."""
    members: dict[str, list[Heard]] = {}
    for one in heard:
        members.setdefault(one.group, []).append(one)
    single = [one for one in heard if not one.group.startswith(LONGFORM)]
    if len({one.group for one in single}) > 1:
        members[ALL] = single
    return {group: _summary(some, seed) for group, some in members.items()}


def bootstrap(
    base: Sequence[WordErrors], other: Sequence[WordErrors], seed: int
) -> dict[str, float | list[float]]:
    """How `other` differs from `base` in WER points and as a ratio, with 95 % intervals.

    Recordings are drawn with replacement, the same ones for both.
    """
    words = np.array([one.reference_words for one in base], np.float64)
    errors = np.array([[b.errors, o.errors] for b, o in zip(base, other, strict=True)], np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(words), np.full(len(words), 1 / len(words)), BOOTSTRAP_SAMPLES)
    sums, total = drawn @ errors, np.maximum(drawn @ words, 1)
    difference = 100 * (sums[:, 1] - sums[:, 0]) / total
    ratio = sums[:, 1] / np.maximum(sums[:, 0], 1)
    base_errors, other_errors = errors.sum(axis=0)
    return {
        "wer_points": round(100 * (other_errors - base_errors) / max(words.sum(), 1), 3),
        "wer_points_ci95": interval95(difference),
        "ratio": round(other_errors / max(base_errors, 1), 3),
        "ratio_ci95": interval95(ratio),
    }


def _summary(heard: Sequence[Heard], seed: int) -> dict[str, Any]:
    names = list(heard[0].outcomes)
    outcomes = {name: [one.outcomes[name] for one in heard] for name in names}
    return {
        "recordings": len(heard),
        "speakers": len({one.recording.speaker for one in heard}),
        "audio_minutes": round(sum(o.audio_s for o in outcomes[names[0]]) / 60, 2),
        "words": sum(o.errors.reference_words for o in outcomes[names[0]]),
        "systems": {name: _figures(some) for name, some in outcomes.items()},
        "comparisons": {
            f"{other} - {base}": bootstrap(
                [o.errors for o in outcomes[base]], [o.errors for o in outcomes[other]], seed
            )
            for base, other in combinations(names, 2)
        },
    }


def _figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    errors = sum((o.errors for o in outcomes), WordErrors())
    delays = [delay for o in outcomes for delay in o.commit_delays_ms]
    audio_s = sum(o.audio_s for o in outcomes)
    return {
        "wer_percent": round(100 * errors.rate, 3),
        "substitutions": errors.substitutions,
        "deletions": errors.deletions,
        "insertions": errors.insertions,
        "real_time_factor": round(sum(o.compute_s for o in outcomes) / max(audio_s, 1e-9), 4),
        "cpu_s_per_audio_s": round(sum(o.cpu_s for o in outcomes) / max(audio_s, 1e-9), 4),
        "commit_delay_ms": percentiles(delays),
    }


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Accuracy")
    for column in ("set", "system", "WER %", "sub", "del", "ins", "delay p50/p95 ms", "RTF"):
        shown.add_column(column, justify="left" if column in ("set", "system") else "right")
    for group, summary in results.items():
        for name, figures in summary["systems"].items():
            delay = figures["commit_delay_ms"]
            shown.add_row(
                f"{group} ({summary['recordings']})",
                name,
                f"{figures['wer_percent']:.2f}",
                *(str(figures[kind]) for kind in ("substitutions", "deletions", "insertions")),
                f"{delay['p50']:.0f} / {delay['p95']:.0f}" if delay else "",
                f"{figures['real_time_factor']:.3f}",
            )
        for pair, compared in summary["comparisons"].items():
            low, high = compared["wer_points_ci95"]
            shown.add_row(
                "", pair, f"{compared['wer_points']:+.2f}", "", "", "", f"[{low:+.2f}, {high:+.2f}]"
            )
        shown.add_section()
    return shown


def draw(results: Mapping[str, Any], heard: Sequence[Heard]) -> Figure:
    """WER of each set beside the spread of commit delays."""
    picture = figure(11, 4.2)
    bars, delays = picture.subplots(1, 2, width_ratios=(3, 2))
    names = list(next(iter(results.values()))["systems"])
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        rates = [summary["systems"][name]["wer_percent"] for summary in results.values()]
        at = [j + (i - (len(names) - 1) / 2) * width for j in range(len(rates))]
        drawn = bars.bar(at, rates, width, label=name, color=COLOURS[name])
        bars.bar_label(drawn, fmt="%.1f", fontsize=8)
    labels = [
        f"{group.replace('librispeech_', '')}\n({s['recordings']})" for group, s in results.items()
    ]
    bars.set_xticks(range(len(labels)), labels, fontsize=8)
    bars.legend(frameon=False)
    style(bars, "Word error rate", "set (recordings)", "WER, %")
    for name in names:
        values = sorted(d for one in heard for d in one.outcomes[name].commit_delays_ms)
        if values:
            share = np.arange(1, len(values) + 1) / len(values)
            delays.plot(np.array(values) / 1000, share, label=name, color=COLOURS[name])
    delays.set_xlim(left=0)
    delays.set_ylim(0, 1.02)
    delays.legend(frameon=False, loc="lower right")
    style(delays, "From a word's end to its commit", "seconds of audio", "share of words")
    return picture


def write_transcripts(path: Path, heard: Sequence[Heard]) -> None:
    """One JSON object a recording: the reference and what each system heard."""
    with path.open("w", encoding="utf-8") as out:
        for one in heard:
            row = {"set": one.group, "id": one.recording.id, "reference": one.recording.text}
            texts = {name: outcome.text for name, outcome in one.outcomes.items()}
            out.write(json.dumps(row | texts, ensure_ascii=False) + "\n")


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips in all; 0 takes every one.")] = 200,
    longform: Annotated[int, typer.Option(min=0, help="Also this many recordings of minutes.")] = 0,
    emotion: Annotated[
        bool, typer.Option("--emotion/--no-emotion", help="Run the emotion classifier beside.")
    ] = True,
    transcripts: Annotated[
        Path | None, typer.Option(help="Also write what was heard, as JSON lines.")
    ] = None,
) -> None:
    recordings = choose(load_sets(setup.speech, setup.data), clips, setup.seed)
    if longform:
        recordings |= choose(long_recordings(setup), longform, setup.seed)
    recordings = {group: some for group, some in recordings.items() if some}
    engine = Engine.load(EngineOptions(threads=setup.threads, llm=setup.llm, latency="low"))
    try:
        heard = measure(systems(engine, fused=setup.llm, emotion=emotion), recordings)
    finally:
        engine.close()
    results = summarize(heard, setup.seed)
    parameters = {
        "sets": list(recordings),
        "clips": clips,
        "longform": longform,
        "llm": setup.llm,
        "emotion": emotion,
    }
    notes = [
        "offline hears longform recordings clip by clip, cut where the clips were",
        "commit delays do not contain compute; words that the end of a recording commits "
        "are counted, which shortens the tail for short clips",
    ]
    setup.publish(
        "quality.accuracy", parameters, results, draw(results, heard), table(results), notes
    )
    if transcripts is not None:
        write_transcripts(transcripts, heard)


app = run_speech(main, DEFAULT_SETS)

if __name__ == "__main__":
    app()
