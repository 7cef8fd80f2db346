"""Other languages than English: error rate, commit delay and CPU time of live recognition, and
whether the language is named right.

offline: each clip heard as a whole by the second listener; live: streaming, the language known;
auto: streaming, the language found out. Errors are counted in words, in characters where a language
has no spaces. Every second clip of a set and language is for tuning, the others are for telling.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import Recording, Setup, blocks, figure, percentiles, run_speech, style
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, ms_from_samples, seconds_from_samples
from streamer.models.whisper.contract import MAX_SAMPLES, ListenRequest, SecondListener
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.languages import AUTO
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import LanguageChanged, SessionEvent, WordsUpdate
from streamer.transcript.wer import WordErrors, align, normalize

DEFAULT_SETS: Final = "fleurs_7lang,kerstin_de,misc_languages"
UNSPACED: Final = frozenset({"ja", "zh"})
LONG_S: Final = 5.0
"""Clips of this length should be enough to tell the language."""
WAYS: Final = ("offline", "live", "auto")


@dataclass(frozen=True, slots=True)
class Spoken(Recording):
    """A clip in a language, by code."""

    language: str


class Half(StrEnum):
    TUNE = "tune"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way made of one clip."""

    errors: WordErrors
    text: str
    audio_s: float
    cpu_s: float
    commit_delays_ms: tuple[float, ...] = ()
    named: str = ""
    """The language, where it was to be found out."""
    named_after_s: float = 0.0
    """Of sound."""


@dataclass(frozen=True, slots=True)
class Heard:
    recording: Spoken
    outcomes: Mapping[str, Outcome]


def load_spoken(names: str, data: Path) -> list[Spoken]:
    """All clips of the sets `asr/NAME/manifest.jsonl`.

    Raises:
        typer.BadParameter: there is no such set.
    """
    clips = []
    for name in names.split(","):
        manifest = data / "asr" / name.strip() / "manifest.jsonl"
        if not manifest.is_file():
            raise typer.BadParameter(f"no set {name!r}: {manifest} does not exist; see --data")
        for line in manifest.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            path = manifest.parent / row["path"]
            speaker, language = str(row.get("speaker", "")), row["language"]
            clips.append(Spoken(name, path.stem, (path,), row["text"], speaker, language))
    return clips


def half_of(clips: Sequence[Spoken], half: Half, most: int) -> list[Spoken]:
    """Every second clip of each set and language, at most so many of each; 0 takes all."""
    groups: dict[tuple[str, str], list[Spoken]] = {}
    for clip in sorted(clips, key=lambda clip: clip.id):
        groups.setdefault((clip.set_name, clip.language), []).append(clip)
    first = 0 if half is Half.TUNE else 1
    return [clip for some in groups.values() for clip in some[first::2][: most or None]]


def errors_of(language: str, reference: str, text: str) -> WordErrors:
    """In words; in characters where there are no spaces."""
    said, heard = normalize(reference), normalize(text)
    if language in UNSPACED:
        return align("".join(said), "".join(heard))
    return align(said, heard)


def hear_offline(listener: SecondListener, recording: Spoken, samples: Floats) -> Outcome:
    began = time.process_time()
    request = ListenRequest(samples[:MAX_SAMPLES], recording.language)
    (hearing,) = listener.hear([request])
    if isinstance(hearing, Exception):
        raise hearing
    cpu_s = time.process_time() - began
    text = hearing.hypotheses[0].text if hearing.hypotheses else ""
    errors = errors_of(recording.language, recording.text, text)
    return Outcome(errors, text, len(samples) / SAMPLE_RATE, cpu_s)


def hear_live(engine: Engine, recording: Spoken, samples: Floats, language: str) -> Outcome:
    """As `streamer transcribe --speed 0` does. What becomes of the emotion is left out."""
    recognizer = engine.recognizer(SessionOptions(language=language, emotion=False), NullSpans())
    delays: list[float] = []
    named: list[tuple[str, float]] = []

    def note(event: SessionEvent) -> None:
        heard = recognizer.received_samples
        if isinstance(event, WordsUpdate):
            delays.extend(ms_from_samples(heard - word.end_sample) for word in event.committed)
        elif isinstance(event, LanguageChanged):
            named.append((event.language, seconds_from_samples(heard)))

    began = time.process_time()
    result = transcribe(blocks(samples), recognizer, on_event=note)
    cpu_s = time.process_time() - began
    recognizer.close()
    code, after_s = named[-1] if named else ("", 0.0)
    errors = errors_of(recording.language, recording.text, result.text)
    audio_s = len(samples) / SAMPLE_RATE
    return Outcome(errors, result.text, audio_s, cpu_s, tuple(delays), code, after_s)


def summarize(heard: Sequence[Heard]) -> dict[str, Any]:
    """By language, and of all that are counted in words."""
    languages = sorted({one.recording.language for one in heard})
    by_language = {
        language: _figures([one for one in heard if one.recording.language == language])
        for language in languages
    }
    read_german = [one for one in heard if one.recording.language == "de"]
    named = [
        one.outcomes["auto"].named == one.recording.language
        for one in heard
        if one.outcomes["auto"].audio_s >= LONG_S
    ]
    return {
        "languages": by_language,
        "german_sets": {
            name: _figures([one for one in read_german if one.recording.set_name == name])
            for name in sorted({one.recording.set_name for one in read_german})
        },
        "named": {"clips": len(named), "right": sum(named)},
        "wrongly_named": [
            {
                "id": one.recording.id,
                "language": one.recording.language,
                "named": one.outcomes["auto"].named,
                "seconds": round(one.outcomes["auto"].audio_s, 2),
            }
            for one in heard
            if one.outcomes["auto"].named != one.recording.language
        ],
    }


def _figures(heard: Sequence[Heard]) -> dict[str, Any]:
    long = [one for one in heard if one.outcomes["auto"].audio_s >= LONG_S]
    return {
        "clips": len(heard),
        "audio_s": round(sum(one.outcomes["live"].audio_s for one in heard), 1),
        "unit": "characters" if heard[0].recording.language in UNSPACED else "words",
        "ways": {way: _way([one.outcomes[way] for one in heard]) for way in WAYS},
        "long_clips": len(long),
        "long_clips_named_right": sum(
            one.outcomes["auto"].named == one.recording.language for one in long
        ),
        "named_after_s": percentiles(
            [one.outcomes["auto"].named_after_s for one in heard if one.outcomes["auto"].named]
        ),
    }


def _way(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    errors = sum((outcome.errors for outcome in outcomes), WordErrors())
    audio_s = sum(outcome.audio_s for outcome in outcomes)
    return {
        "error_percent": round(100 * errors.rate, 2),
        "substitutions": errors.substitutions,
        "deletions": errors.deletions,
        "insertions": errors.insertions,
        "reference": errors.reference_words,
        "cpu_s_per_audio_s": round(sum(o.cpu_s for o in outcomes) / max(audio_s, 1e-9), 3),
        "commit_delay_ms": percentiles([d for o in outcomes for d in o.commit_delays_ms]),
    }


def table(results: Mapping[str, Any]) -> Table:
    shown = Table(title="Other languages")
    for column in ("language", "clips", *(f"{way} %" for way in WAYS), "delay ms", "CPU", "named"):
        shown.add_column(column, justify="right")
    for language, row in results["languages"].items():
        live = row["ways"]["live"]
        delay = live["commit_delay_ms"]
        shown.add_row(
            language,
            str(row["clips"]),
            *(f"{row['ways'][way]['error_percent']:.1f}" for way in WAYS),
            f"{delay['p50']:.0f} / {delay['p95']:.0f}" if delay else "",
            f"{live['cpu_s_per_audio_s']:.2f}",
            f"{row['long_clips_named_right']} of {row['long_clips']}",
        )
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """Errors of each way, by language."""
    picture = figure(9, 3.6)
    axis = picture.subplots()
    languages = list(results["languages"])
    width = 0.8 / len(WAYS)
    for i, way in enumerate(WAYS):
        rates = [row["ways"][way]["error_percent"] for row in results["languages"].values()]
        at = np.arange(len(languages)) + (i - (len(WAYS) - 1) / 2) * width
        axis.bar_label(axis.bar(at, rates, width, label=way), fmt="%.0f", fontsize=7)
    axis.set_xticks(range(len(languages)), languages)
    axis.legend(frameon=False)
    style(axis, "Errors by language (ja, zh: of characters)", "", "%")
    return picture


def main(
    setup: Setup,
    half: Annotated[Half, typer.Option(help="Which clips.")] = Half.TELL,
    clips: Annotated[
        int, typer.Option(min=0, help="Of each set and language, at most; 0 takes all.")
    ] = 30,
) -> None:
    chosen = half_of(load_spoken(setup.speech, setup.data), half, clips)
    engine = Engine.load(EngineOptions(threads=setup.threads, llm=setup.llm, languages=True))
    listener = engine.listener
    assert listener is not None
    heard = []
    try:
        for recording in track(chosen, "hearing", console=Console(stderr=True)):
            samples = np.concatenate(recording.pieces())
            outcomes = {
                "offline": hear_offline(listener, recording, samples),
                "live": hear_live(engine, recording, samples, recording.language),
                "auto": hear_live(engine, recording, samples, AUTO),
            }
            heard.append(Heard(recording, outcomes))
    finally:
        engine.close()
    results = summarize(heard)
    parameters = {"half": half.value, "clips": clips, "llm": setup.llm}
    notes = [
        "English goes the way of English, with draft and LLM, in all but offline",
        "commit delays do not contain compute",
        "Chinese is heard in either script and not converted, which counts as errors",
    ]
    setup.publish("quality.languages", parameters, results, draw(results), table(results), notes)


app = run_speech(main, DEFAULT_SETS)

if __name__ == "__main__":
    app()
