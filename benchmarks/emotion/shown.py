"""What emotions a reader is shown: hardly any where nobody acts, most where somebody acts strongly.

Recordings are cut into segments and heard in windows as a session does it (`Endpointer`,
`EmotionMonitor`); a segment counts as shown if its label is neither neutral nor unknown. Neutral
speech is reading, non-native reading, dictation, meetings and calls. Acted speech is strong where
the actor was asked for it, and clear where most listeners heard the acted emotion in the voice;
all of it is also heard behind a browser. `pip install webrtc-noise-gain` first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.browser import suppressed
from benchmarks.emotion.corpora import VOTES, WEIGHTS, ModelOption
from benchmarks.emotion.live import Ears
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.decoding.loading import VAD_FILE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier
from streamer.models.emotion.track import NEUTRAL, SHOWN_FROM, UNKNOWN, TrackOptions
from streamer.models.silero import FRAME_SAMPLES, VadModel, VadStream
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.data import CREMA_D, TEST_SPEAKERS, read_manifest
from streamer.recognition.emotion_monitor import EmotionMonitor, EmotionOptions
from streamer.recognition.endpointer import Edge, Endpointer, EndpointerOptions
from streamer.runtime.tracing import NullSpans

NEUTRAL_SETS: Final = {
    "reading": ("asr/librispeech_test_clean_opus", "asr/librispeech_test_other"),
    "non-native reading": ("asr/speechocean762",),
    "dictation": ("asr/dictation_irish",),
    "meetings": ("meetings/ami_meetings",),
    "calls": ("meetings/spokenwoz_calls",),
    "other languages": ("asr/fleurs_7lang", "asr/kerstin_de"),
}
"""None of them was learned from. Thresholds were chosen with every second recording in view
(`benchmarks.emotion.thresholds`); the others are heard here."""
MINUTES: Final = 6.0
"""Heard of each set, at most."""
THRESHOLDS: Final = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
STEP: Final = 8 * FRAME_SAMPLES
_RAVDESS: Final = "emotion/ravdess_eval_only_nc"


Segment = tuple[str, str, float]
"""What was acted, what was shown, and how likely the likeliest emotion was."""


@dataclass
class Shown:
    """What was shown, by segment and by live label."""

    seconds: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)

    def neutral_summary(self) -> dict[str, Any]:
        """For speech in which nobody acts."""
        labels = [label for _, label, _ in self.segments]
        false = sum(map(emotional, labels))
        return {
            "minutes": round(self.seconds / 60, 1),
            "segments": len(labels),
            "shown_percent": round(100 * false / max(1, len(labels)), 2),
            "shown_a_minute": round(60 * false / self.seconds, 3),
            "live_windows_percent": round(100 * float(np.mean([*map(emotional, self.windows)])), 2),
            "labels": dict(Counter(labels).most_common()),
            "percent_at": {
                f"{threshold:g}": round(
                    100 * float(np.mean([sure >= threshold for _, _, sure in self.segments])), 2
                )
                for threshold in THRESHOLDS
            },
        }

    def acted_summary(self) -> dict[str, Any]:
        """For speech in which an emotion other than neutral is acted."""
        shown = [(acted, label) for acted, label, _ in self.segments if emotional(label)]
        right = sum(acted == label for acted, label in shown)
        return {
            "segments": len(self.segments),
            "shown": round(len(shown) / max(1, len(self.segments)), 4),
            "right_of_shown": round(right / max(1, len(shown)), 4),
            "shown_by_emotion": {
                name: round(float(np.mean(told)), 4)
                for name in LABELS
                if (
                    told := [emotional(label) for acted, label, _ in self.segments if acted == name]
                )
            },
            "shown_at": {
                f"{threshold:g}": round(
                    float(np.mean([sure >= threshold for _, _, sure in self.segments])), 4
                )
                for threshold in THRESHOLDS
            },
        }


def emotional(label: str) -> bool:
    return label not in (NEUTRAL, UNKNOWN)


def sureness(probs: Mapping[str, float]) -> float:
    """Of the likeliest class, if that is an emotion; else 0."""
    best = max(probs, key=lambda name: probs[name], default=NEUTRAL)
    return probs[best] if emotional(best) else 0.0


class Viewer:
    """A session's endpointer and emotion, without its words."""

    def __init__(
        self, model: EmotionClassifier, vad: VadModel, track: TrackOptions | None = None
    ) -> None:
        self._model, self._vad = model, vad
        self._track = track or TrackOptions(shown_from_of=model.shown_from)

    def watch(self, samples: Floats, acted: str, shown: Shown) -> None:
        """Adds what is shown of one recording."""
        options = EndpointerOptions()
        silence = np.zeros(int(1.5 * options.hangover_ms / 1_000 * SAMPLE_RATE), np.float32)
        audio = np.concatenate([samples, silence])
        audio = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES]
        stream, endpointer = VadStream(self._vad), Endpointer(FRAME_SAMPLES, options)
        ears, begun = Ears(self._model, audio), None
        with ThreadPoolExecutor(1) as lane:
            monitor = EmotionMonitor(ears, lane, EmotionOptions(), NullSpans(), self._track)
            for at in range(0, len(audio), STEP):
                end = min(at + STEP, len(audio))
                for change in endpointer.push(stream.probabilities(audio[at:end]).tolist()):
                    if change.edge is Edge.START:
                        begun = change.sample
                    elif begun is not None:
                        emotion = monitor.segment(ears.read, begun, change.sample)
                        if emotion is None:
                            shown.segments.append((acted, UNKNOWN, 0.0))
                        else:
                            sure = sureness(emotion.probs)
                            shown.segments.append((acted, emotion.label, sure))
                        begun = None
                if begun is not None:
                    monitor.start(ears.read, begun, end)
                    update = monitor.collect()
                    if update is not None:
                        shown.windows.append(update.emotion.label)
        shown.seconds += len(samples) / SAMPLE_RATE


def neutral(
    viewer: Viewer,
    data: Path,
    folders: Iterable[str],
    arriving: Callable[[Floats], Floats] = lambda samples: samples,
    minutes: float = MINUTES,
    half: int | None = 1,
) -> Shown:
    """Recordings, as they arrive, in an order drawn once, until so many minutes are heard.

    `half` says which of every two recordings are heard; None: all.
    """
    paths = [data / name / row["path"] for name in folders for row in read_manifest(data / name)]
    paths = paths if half is None else paths[half::2]
    shown = Shown()
    for index in np.random.default_rng(0).permutation(len(paths)):
        if shown.seconds < 60 * minutes:
            viewer.watch(arriving(read_samples(paths[index])), NEUTRAL, shown)
    return shown


def acted(
    viewer: Viewer,
    folder: Path,
    rows: Iterable[dict[str, Any]],
    arriving: Callable[[Floats], Floats] = lambda samples: samples,
) -> dict[str, Shown]:
    """What is shown of each recording in which an emotion is acted, by its path."""
    found = {}
    for row in rows:
        if row["label"] in LABELS and row["label"] != NEUTRAL:
            found[row["path"]] = shown = Shown()
            viewer.watch(arriving(read_samples(folder / row["path"])), row["label"], shown)
    return found


def summed(found: Mapping[str, Shown], rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Of those rows that are in `found`."""
    some = [found[row["path"]] for row in rows if row["path"] in found]
    return Shown(segments=[segment for one in some for segment in one.segments]).acted_summary()


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
) -> None:
    zoo = Zoo()
    classifier = EmotionClassifier(model, threads=1)
    viewer = Viewer(classifier, VadModel(zoo.path(SILERO.name, VAD_FILE)))
    crema = [row for row in read_manifest(data / CREMA_D) if row["speaker"] in TEST_SPEAKERS]
    strong = [row for row in read_manifest(data / _RAVDESS) if row["intensity"] == "strong"]
    ours, others = acted(viewer, data / CREMA_D, crema), acted(viewer, data / _RAVDESS, strong)
    cleaned = acted(viewer, data / CREMA_D, crema, suppressed)
    clear = [row for row in crema if VOTES.get(row["voice_vote"]) == row["label"]]
    results = {
        "neutral": {
            name: neutral(viewer, data, folders).neutral_summary()
            for name, folders in NEUTRAL_SETS.items()
            if all((data / folder).is_dir() for folder in folders)
        },
        "acted": {
            "crema_d_test": summed(ours, crema),
            "crema_d_test_strong": summed(ours, (r for r in crema if r["intensity"] == "high")),
            "crema_d_test_clear": summed(ours, clear),
            "crema_d_test_suppressed": summed(cleaned, crema),
            "ravdess_strong": summed(others, strong),
        },
    }
    Console().print_json(json.dumps(results))
    parameters = {
        "shown_from": SHOWN_FROM,
        "shown_from_of": dict(classifier.shown_from),
        "minutes": MINUTES,
    }
    write_json("emotion.shown", out, parameters, results, file="emotion_shown")


app = run(main)

if __name__ == "__main__":
    app()
