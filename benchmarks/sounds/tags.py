"""Where sessions tell of music: in music, under speech, and wrongly in speech and in other sounds.

Sound goes through a session's `SoundMonitor`, without words. Thresholds were chosen on the
development half: clips of music and other sounds whose licence is free for everything, and speech
of the training sets. All else is the test half. A set of speech is heard as one session, clip
behind clip; of music and other sounds each clip is one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, seconds_from_samples
from streamer.audio.files import read_samples
from streamer.models.sounds.classifier import SoundClassifier, SoundStream
from streamer.models.store.zoo import Zoo
from streamer.recognition.sounds.monitor import SoundMonitor
from streamer.recognition.sounds.music import SoundOptions
from streamer.recognition.sounds.service import load_sounds
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SoundHeard

_Item = TypeVar("_Item")
Half = Literal["development", "test"]

SOUNDS: Final = "sounds/nonspeech"
SPEECH: Final[dict[Half, tuple[str, ...]]] = {
    "development": (
        "asr/librispeech_dev_clean_mp3",
        "asr/speechocean762_train",
        "asr/kerstin_de",
        "emotion/crema_d",
    ),
    "test": (
        "asr/librispeech_test_clean_opus",
        "asr/librispeech_test_other",
        "asr/speechocean762",
        "asr/dictation_irish",
        "asr/fleurs_7lang",
        "asr/misc_english",
        "asr/misc_languages",
        "asr/picovoice_commands",
        "meetings/ami_meetings",
        "meetings/spokenwoz_calls",
        "emotion/tess_sample",
        "emotion/emodb_de",
        "emotion/ravdess_eval_only_nc",
    ),
}
FREE: Final = re.compile(r"CC BY \d|CC0|public domain|MIT|Apache|ODbL")
"""Licences of the development half's sounds; those with conditions, or unknown, are the other's."""
STEP_SAMPLES: Final = 4_096
MIXED_MINUTES: Final = 10.0
"""Of speech over music; more than there is music."""
SPEECH_OVER_MUSIC_DB: Final = (20.0, 10.0, 0.0)


@dataclass(frozen=True)
class Tags:
    """What was told of one session's sound."""

    n_samples: int
    music: tuple[tuple[int, int], ...]
    """Its stretches, in samples."""

    @property
    def covered_samples(self) -> int:
        return sum(end - start for start, end in self.music)


def hear(classifier: SoundClassifier, samples: Floats, options: SoundOptions) -> Tags:
    """In steps, as a session hears it."""
    lane = _AtOnce()
    monitor = SoundMonitor(lambda: SoundStream(classifier), lane, options, NullSpans())
    told: list[SoundHeard] = []
    for at in range(0, len(samples), STEP_SAMPLES):
        monitor.start(samples[at : at + STEP_SAMPLES], at)
        told.extend(monitor.collect())
    ended = {one.start_sample: one.end_sample for one in told if one.end_sample is not None}
    starts = dict.fromkeys(one.start_sample for one in told)
    music = tuple((start, ended.get(start) or len(samples)) for start in starts)
    return Tags(len(samples), music)


class _AtOnce:
    """A lane whose answers are there at once."""

    def submit(self, call: Any, /) -> Future[Floats]:
        done: Future[Floats] = Future()
        done.set_result(call())
        return done


@dataclass(frozen=True)
class SoundClip:
    half: str
    kind: str
    path: Path


def load_sounds_by_half(data: Path) -> list[SoundClip]:
    """Recordings of sounds in which nobody speaks, by the half that their licence puts them in.

    Raises:
        typer.BadParameter: there are none.
    """
    manifest = data / SOUNDS / "manifest.jsonl"
    if not manifest.is_file():
        raise typer.BadParameter(f"{manifest} does not exist; see --data")
    rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return [
        SoundClip(
            "development" if _is_free(row["licence"]) else "test",
            row["sound"].removeprefix("vocal_"),
            manifest.parent / row["path"],
        )
        for row in rows
        if row["speech"] != "some"
    ]


def _is_free(licence: str) -> bool:
    return FREE.search(licence) is not None and "tests only" not in licence


def load_speech(data: Path, name: str, minutes: float) -> Floats:
    """So many minutes of a set, its clips one behind the other. Raises typer.BadParameter."""
    manifest = data / name / "manifest.jsonl"
    if not manifest.is_file():
        raise typer.BadParameter(f"{manifest} does not exist; see --data")
    pieces, missing = [], round(minutes * 60 * SAMPLE_RATE)
    for row in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
        pieces.append(read_samples(manifest.parent / row["path"])[:missing])
        missing -= len(pieces[-1])
        if not missing:
            break
    return np.concatenate(pieces)


def hear_sounds(
    classifier: SoundClassifier, clips: Sequence[SoundClip], options: SoundOptions
) -> dict[str, Any]:
    """By kind; what was told of music, and of what is none, by the clips' names."""
    heard: dict[str, list[tuple[SoundClip, Tags]]] = {}
    for clip in _progress(clips, "sounds"):
        tags = hear(classifier, read_samples(clip.path), options)
        heard.setdefault(clip.kind, []).append((clip, tags))
    kinds = {kind: _of_kind([tags for _, tags in found]) for kind, found in sorted(heard.items())}
    told = {
        clip.path.stem: _of_clip(tags)
        for kind, found in heard.items()
        for clip, tags in found
        if kind == "music" or tags.music
    }
    return {"kinds": kinds, "told": told}


def _of_kind(tags: Sequence[Tags]) -> dict[str, Any]:
    tagged = sum(each.covered_samples for each in tags)
    return {
        "clips": len(tags),
        "seconds": round(seconds_from_samples(sum(each.n_samples for each in tags)), 1),
        "clips_tagged": sum(bool(each.music) for each in tags),
        "seconds_tagged": round(seconds_from_samples(tagged), 1),
    }


def _of_clip(tags: Tags) -> dict[str, Any]:
    return {
        "seconds": round(seconds_from_samples(tags.n_samples), 1),
        "music_s": [
            [round(seconds_from_samples(at), 2) for at in stretch] for stretch in tags.music
        ],
    }


def measured(classifier: SoundClassifier, samples: Floats, options: SoundOptions) -> dict[str, Any]:
    """False tags, and at which second the first ones begin."""
    began = time.process_time()
    tags = hear(classifier, samples, options)
    spent_s = time.process_time() - began
    seconds = seconds_from_samples(len(samples))
    return {
        "minutes": round(seconds / 60, 1),
        "tags": len(tags.music),
        "tags_an_hour": round(len(tags.music) * 3600 / seconds, 2),
        "seconds_tagged": round(seconds_from_samples(tags.covered_samples), 1),
        "cpu_ms_a_second": round(1000 * spent_s / seconds, 2),
        "at_s": [round(seconds_from_samples(start), 1) for start, _ in tags.music[:10]],
    }


def hear_mixtures(
    classifier: SoundClassifier,
    clips: Sequence[SoundClip],
    speech: Floats,
    options: SoundOptions,
) -> dict[str, float]:
    """Share of music that is told of while somebody speaks over it, by how much louder (dB)."""
    music = []
    for clip in clips:
        if clip.kind == "music":
            music.append(read_samples(clip.path))
    found = {}
    for level_db in SPEECH_OVER_MUSIC_DB:
        told = total = at = 0
        for samples in music:
            spoken = speech[at : at + len(samples)]
            at += len(samples)
            told += hear(classifier, mixed(spoken, samples, level_db), options).covered_samples
            total += len(samples)
        found[f"{level_db:g}"] = round(told / max(1, total), 3)
    return found


def mixed(speech: Floats, music: Floats, level_db: float) -> Floats:
    """Speech so much louder than music, by their root mean squares."""
    loudness = float(np.sqrt(np.mean(speech**2)) / max(1e-9, np.sqrt(np.mean(music**2))))
    both = speech + music * loudness * 10 ** (-level_db / 20)
    return np.asarray(both / max(1.0, float(np.max(np.abs(both)))), np.float32)


def measure(
    classifier: SoundClassifier, data: Path, half: Half, minutes: float, options: SoundOptions
) -> dict[str, Any]:
    clips = [clip for clip in load_sounds_by_half(data) if clip.half == half]
    first, *_ = SPEECH[half]
    return {
        "sounds": hear_sounds(classifier, clips, options),
        "speech": {
            name: measured(classifier, load_speech(data, name, minutes), options)
            for name in _progress(SPEECH[half], "speech")
        },
        "share_of_music_told_under_speech": hear_mixtures(
            classifier, clips, load_speech(data, first, MIXED_MINUTES), options
        ),
    }


def table(results: dict[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="music told")
    for column in ("of", "minutes", "tags", "seconds tagged"):
        shown.add_column(column)
    for kind, row in results["sounds"]["kinds"].items():
        minutes = f"{row['seconds'] / 60:.1f}"
        tagged = f"{row['clips_tagged']} of {row['clips']} clips"
        shown.add_row(kind, minutes, tagged, str(row["seconds_tagged"]))
    for name, row in results["speech"].items():
        tags = f"{row['tags']} ({row['tags_an_hour']} an hour)"
        shown.add_row(name, str(row["minutes"]), tags, str(row["seconds_tagged"]))
    return shown


def _progress(items: Sequence[_Item], what: str) -> Iterable[_Item]:
    return track(items, what, console=Console(stderr=True))


def main(
    data: DataOption = Path("../shared/data"),
    half: Annotated[Half, typer.Option(help="Of the recordings.")] = "test",
    minutes: Annotated[float, typer.Option(help="Of each set of speech, at most.")] = 60.0,
    begins: Annotated[float, typer.Option(help="See `SoundOptions`.")] = SoundOptions.begins,
    ends: Annotated[float, typer.Option(help="See `SoundOptions`.")] = SoundOptions.ends,
    out: OutOption = RESULTS,
) -> None:
    options = SoundOptions(begins=begins, ends=ends)
    classifier = load_sounds(Zoo())
    results = measure(classifier, data, half, minutes, options)
    parameters = {"half": half, "minutes": minutes, "begins": begins, "ends": ends}
    write_json("sounds.tags", out, parameters, results, f"sound_tags-{half}")
    Console(width=100).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
