"""No words without speech, and all of them with it: recordings of sounds that nobody speaks in,
speech of many kinds, and speech that is very quiet.

Of the sounds no word should stay, nor be shown for a while. Half of the clips, every second of
each kind, were kept away when the rule was made: they are the half that counts. Files that
libsndfile cannot read are named and left out; `ffmpeg -i CLIP.opus CLIP.flac` makes them readable.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import numpy as np
import typer
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    SeedOption,
    SpeechOption,
    ThreadsOption,
    blocks,
    choose,
    load_sets,
    run,
    write_json,
)
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import AudioFileError, read_samples
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.latency import Latency
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SegmentClosed, SessionEvent, WordsUpdate
from streamer.transcript.wer import WordErrors, normalize, word_errors

_Clip = TypeVar("_Clip")

QUIET_DBFS: Final = (-30, -60, -66)
"""The first is not, for comparison."""
HALVES: Final = ("seen", "unseen")
"""When the rule was made."""


@dataclass(frozen=True, slots=True)
class SoundClip:
    kind: str
    half: str
    path: Path


@dataclass(frozen=True, slots=True)
class Heard:
    text: str
    shown: int
    """Different words that stood on the screen for a while, or for good."""
    segments: int


def load_sounds(manifest: Path) -> list[SoundClip]:
    """Clips without a word, by the folders that they lie in.

    Raises:
        typer.BadParameter: there is no such manifest.
    """
    if not manifest.is_file():
        raise typer.BadParameter(f"{manifest} does not exist; see --sounds")
    seen: dict[str, int] = {}
    clips = []
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["text"] or row.get("speech") == "some":
            continue
        kind = Path(row["path"]).parent.name
        seen[kind] = seen.get(kind, 0) + 1
        half = HALVES[(seen[kind] - 1) % 2]
        clips.append(SoundClip(kind, half, manifest.parent / row["path"]))
    return clips


def hear(engine: Engine, samples: Floats) -> Heard:
    """Through a fresh recognizer."""
    shown: set[tuple[int, str]] = set()
    segments = 0

    def note(event: SessionEvent) -> None:
        nonlocal segments
        if isinstance(event, WordsUpdate):
            words = (*event.committed, *event.tentative)
            shown.update((event.segment_id, word.text) for word in words)
        elif isinstance(event, SegmentClosed):
            segments += 1

    options = SessionOptions(decoder=engine.default_decoder, emotion=False)
    with closing(engine.recognizer(options, NullSpans())) as recognizer:
        result = transcribe(blocks(samples), recognizer, on_event=note)
    return Heard(result.text, len(shown), segments)


def hear_sounds(engine: Engine, clips: Sequence[SoundClip]) -> dict[str, Any]:
    """Clip by clip; what cannot be read is told."""
    rows, unreadable = [], {}
    for clip in _progress(clips, "sounds"):
        name = f"{clip.kind}/{clip.path.name}"
        try:
            heard = hear(engine, read_samples(clip.path))
        except AudioFileError as error:
            unreadable[name] = str(error).rpartition(": ")[2]
            continue
        rows.append(
            {
                "clip": name,
                "kind": clip.kind,
                "half": clip.half,
                "words": len(normalize(heard.text)),
                "shown": heard.shown,
                "segments": heard.segments,
                "text": heard.text,
            }
        )
    return {
        **{half: summary([row for row in rows if row["half"] == half]) for half in HALVES},
        "kinds": {
            kind: summary([row for row in rows if row["kind"] == kind])
            for kind in dict.fromkeys(str(row["kind"]) for row in rows)
        },
        "with_words": [row for row in rows if row["words"]],
        "unreadable": unreadable,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        "clips": len(rows),
        "clips_with_words": sum(row["words"] > 0 for row in rows),
        "words": sum(row["words"] for row in rows),
        "clips_that_showed_words": sum(row["shown"] > 0 for row in rows),
        "segments": sum(row["segments"] for row in rows),
    }


def hear_speech(engine: Engine, clips: Sequence[Recording], level_dbfs: float | None) -> Any:
    """Words wrong, and lost; at the level the clips have, or so loud with a second of silence
    before and behind."""
    total, first_lost = WordErrors(), 0
    for clip in _progress(clips, "speech" if level_dbfs is None else f"{level_dbfs:g} dB"):
        samples = np.concatenate(clip.pieces())
        if level_dbfs is not None:
            samples = at_level(samples, level_dbfs)
        text = hear(engine, samples).text
        total += word_errors(clip.text, text)
        first_lost += loses_first_word(clip.text, text)
    return {
        "clips": len(clips),
        "words": total.reference_words,
        "wrong": total.substitutions,
        "lost": total.deletions,
        "too_many": total.insertions,
        "first_words_lost": first_lost,
    }


def at_level(samples: Floats, level_dbfs: float) -> Floats:
    """So loud by its root mean square, in 16 bits, as pre-recorded speech comes."""
    silence = np.zeros(SAMPLE_RATE, np.float32)
    scaled = samples * (10 ** (level_dbfs / 20) / np.sqrt(np.mean(np.square(samples))))
    whole = np.concatenate([silence, np.rint(scaled * 32_768) / 32_768, silence])
    return whole.astype(np.float32)


def loses_first_word(reference: str, transcript: str) -> bool:
    """Whether nothing stands in the place of the first word."""
    first = next(iter(Levenshtein.opcodes(normalize(reference), normalize(transcript))), None)
    return first is not None and first.tag == "delete"


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="sounds that nobody speaks in")
    for column in ("kind", "clips", "with words", "words", "clips that showed words"):
        shown.add_column(column)
    found = {**{half: results["sounds"][half] for half in HALVES}, **results["sounds"]["kinds"]}
    for kind, row in found.items():
        counts = ("clips", "clips_with_words", "words", "clips_that_showed_words")
        shown.add_row(kind, *(str(row[name]) for name in counts))
    return shown


def _progress(clips: Sequence[_Clip], what: str) -> Iterable[_Clip]:
    return track(clips, what, console=Console(stderr=True))


def main(
    sounds: Annotated[Path, typer.Option(help="Manifest of sounds, in folders by kind.")] = Path(
        "../shared/data/sounds/nonspeech/manifest.jsonl"
    ),
    speech: SpeechOption = "librispeech_test_other,speechocean762,misc_english",
    data: DataOption = Path("../shared/data"),
    clips: Annotated[int, typer.Option(min=1, help="Of speech.")] = 60,
    quiet_clips: Annotated[int, typer.Option(min=0, help="Of speech, at each level.")] = 24,
    latency: Annotated[Latency, typer.Option(help="What is waited for; see serve.")] = "low",
    threads: ThreadsOption = 2,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    sets = load_sets(speech, data)

    def some(count: int) -> list[Recording]:
        return [clip for few in choose(sets, count, seed).values() for clip in few]

    with closing(Engine.load(EngineOptions(threads=threads, latency=latency))) as engine:
        results: dict[str, Any] = {
            "sounds": hear_sounds(engine, load_sounds(sounds)),
            "speech": hear_speech(engine, some(clips), None),
            "quiet": {
                str(level): hear_speech(engine, some(quiet_clips), level) for level in QUIET_DBFS
            }
            if quiet_clips
            else {},
        }
    parameters = {"latency": latency, "speech": speech, "clips": clips, "seed": seed}
    write_json("quality.sounds", out, parameters, results, f"sounds-{latency}")
    Console(width=100).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
