"""What emotions a reader is shown of calm speech that is hard to hear.

Read speech, of natives and learners, as in `benchmarks.emotion.shown`: with another reader's voice
or music beside it, or hardly above the quiet. The label should be neutral or unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import WEIGHTS, ModelOption
from benchmarks.emotion.shown import NEUTRAL_SETS, Viewer, neutral
from benchmarks.sounds.tags import load_sounds_by_half, mixed
from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.decoding.loading import VAD_FILE
from streamer.models.emotion.classifier import EmotionClassifier
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.browser import at_level
from streamer.models.train.emotion.data import read_manifest

SETS: Final = (*NEUTRAL_SETS["reading"], *NEUTRAL_SETS["non-native reading"])
VOICES_BELOW_DB: Final = (0, 6)
MUSIC_BELOW_DB: Final = (0, 6, 12, 20)
LEVELS_DBFS: Final = (-50, -65)
"""A word in the next room, and one that is hardly there."""


def beside(samples: Floats, other: Floats, below_db: float) -> Floats:
    """Both together; the other as long, and so much softer."""
    return mixed(samples, np.resize(other, len(samples)), below_db)


def disturbances(data: Path) -> dict[str, Callable[[Floats], Floats]]:
    """By name; what is beside is drawn for each recording."""
    voices = [data / name / row["path"] for name in SETS for row in read_manifest(data / name)]
    music = [clip.path for clip in load_sounds_by_half(data) if clip.kind == "music"]

    def with_one_of(paths: Sequence[Path], below_db: float) -> Callable[[Floats], Floats]:
        draw = np.random.default_rng(0)
        return lambda samples: beside(
            samples, read_samples(paths[int(draw.integers(len(paths)))]), below_db
        )

    def at(level_dbfs: float) -> Callable[[Floats], Floats]:
        return lambda samples: at_level(samples, level_dbfs)

    return {
        **{f"another voice, {db} dB below": with_one_of(voices, db) for db in VOICES_BELOW_DB},
        **{f"music, {db} dB below": with_one_of(music, db) for db in MUSIC_BELOW_DB},
        **{f"at {level} dBFS": at(level) for level in LEVELS_DBFS},
    }


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
) -> None:
    classifier = EmotionClassifier(model, threads=1)
    viewer = Viewer(classifier, VadModel(Zoo().path(SILERO.name, VAD_FILE)))
    results: dict[str, Any] = {
        name: neutral(viewer, data, SETS, disturbed).neutral_summary()
        for name, disturbed in disturbances(data).items()
    }
    Console().print_json(json.dumps(results))
    parameters = {"sets": list(SETS), "shown_from_of": dict(classifier.shown_from)}
    write_json("emotion.disturbed", out, parameters, results, file="emotion_disturbed")


app = run(main)

if __name__ == "__main__":
    app()
