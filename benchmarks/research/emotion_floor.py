"""Does a floor of noise, the same in every window, make the emotion depend less on the room?

    python -m benchmarks.research.emotion_floor --data ../shared/data
    python -m benchmarks.research.emotion_floor --data ../shared/data --floor "speech, 12 dB"

CREMA-D's speech stands 12 to 28 dB above its rooms, by emotion; clean recordings, and what a
browser has cleaned, stand higher, and are taken for loud emotions. Noise so many decibels below
each window hides that. The network is the one that ships, which learned with noise as with none.
Which noise is decided on dev speakers, as they are and behind a browser's noise suppression: the
first command, which tries only what its result does not hold yet. Test speakers and corpora never
met are heard with that one and with none: the second, once for each. Before all of it,
`pip install webrtc-noise-gain`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.browser import suppressed
from benchmarks.emotion.corpora import OTHER_SETS, WEIGHTS, ModelOption
from benchmarks.emotion.scores import score_whole, summary
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, Samples
from streamer.models.train.emotion.data import (
    CREMA_D,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    Clip,
    load_clips,
    read_manifest,
)

TESS: Final = "emotion/tess_sample"
_HEARD_HZ: Final = 5_000
"""What lies above the network does not hear; loudness is that of what lies below."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Floor:
    """Noise so far below the window; the same at each call."""

    colour: str
    """`pink`, or `speech`: flat up to 500 Hz, then 9 dB less an octave."""
    below_db: float

    @property
    def name(self) -> str:
        return f"{self.colour}, {self.below_db:g} dB"

    def under(self, samples: Samples) -> Samples:
        """[N] -> [N]"""
        hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
        white = np.random.default_rng(7).standard_normal(len(samples))
        if self.colour == "pink":
            gain = np.maximum(hertz, 50) ** -0.5
        else:
            gain = np.maximum(hertz, 500) ** -1.5
        noise = np.fft.irfft(np.fft.rfft(white) * gain * (hertz < _HEARD_HZ), n=len(samples))
        power = np.var(samples) / np.mean(noise**2)
        return np.asarray(samples + noise * np.sqrt(power) * 10 ** (-self.below_db / 20), "f4")


NONE: Final = "none"
FLOORS: Final = {
    floor.name: floor
    for floor in (
        Floor("pink", 18),
        *(Floor("speech", below_db) for below_db in (27, 21, 15, 12, 9)),
    )
}


def some_of_each(clips: Sequence[Clip], count: int) -> list[Clip]:
    """So many of each emotion, at most, drawn once."""
    draw = np.random.default_rng(1)
    labels = np.array([clip.label for clip in clips])
    drawn = [draw.permutation(np.flatnonzero(labels == c))[:count] for c in range(len(LABELS))]
    return [clips[i] for i in np.concatenate(drawn)]


def all_suppressed(clips: Sequence[Clip]) -> list[Clip]:
    return [replace(clip, samples=suppressed(clip.samples)) for clip in clips]


def tess(folder: Path) -> list[Clip]:
    """Its labels go by other names; what the model does not know is left out."""
    names = {"anger": "angry", "fear": "fearful"}
    rows = [(row, names.get(row["label"], row["label"])) for row in read_manifest(folder)]
    return [
        Clip(read_samples(folder / row["path"]), LABELS.index(label), row["speaker"])
        for row, label in rows
        if label in LABELS
    ]


def heard(model: EmotionClassifier, clips: Sequence[Clip], name: str) -> dict[str, Any]:
    """With one of FLOORS, or none."""
    plain = name == NONE
    found = summary(
        score_whole(model, clips) if plain else score_whole(model, clips, FLOORS[name].under)
    )
    _LOG.info("%s: %.3f %s", name, found["uar"], found["recall"])
    return found


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS / "research",
    floor: Annotated[str, typer.Option(help="Of those tried, or none: to be judged.")] = "",
    clips: Annotated[int, typer.Option(help="Of dev speakers, of each emotion.")] = 50,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    listen = partial(heard, EmotionClassifier(model, threads=1))
    file = "emotion_floor" if floor else "emotion_floor_dev"
    done = out / f"{file}.json"
    results: dict[str, Any] = {}
    if done.is_file():
        results = json.loads(done.read_text(encoding="utf-8"))["results"]
    if floor:
        test = load_clips(data / CREMA_D, TEST_SPEAKERS)
        sets = {"test": test, "test, suppressed": all_suppressed(test)}
        sets |= {name: load_clips(data / folder) for name, folder in OTHER_SETS.items()}
        sets["tess"] = tess(data / TESS)
        results[floor] = {name: listen(some, floor) for name, some in sets.items()}
    else:
        dev = some_of_each(load_clips(data / CREMA_D, DEV_SPEAKERS), clips)
        clean = all_suppressed(dev)
        for name in [name for name in (NONE, *FLOORS) if name not in results]:
            results[name] = {"as it is": listen(dev, name), "suppressed": listen(clean, name)}
    Console().print_json(json.dumps(results))
    parameters = {} if floor else {"clips_of_each_emotion": clips}
    write_json("research.emotion_floor", out, parameters, results, file=file)


app = run(main)

if __name__ == "__main__":
    app()
