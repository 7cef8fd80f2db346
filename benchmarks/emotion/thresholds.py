"""From what probability on each emotion may be shown.

Chosen on one half of the neutral recordings, as they are and behind a browser's noise suppression,
on odd voices and commands, and on the development speakers who act; `benchmarks.emotion.shown`
judges it on the other half and on other speakers. For each emotion the lowest threshold is taken at
which no segment of neutral speech is called so, and most of the acted ones that are called so are
right. The recipe's `shown_from` has what this prints. `pip install webrtc-noise-gain` first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.browser import suppressed
from benchmarks.emotion.corpora import WEIGHTS, ModelOption
from benchmarks.emotion.shown import NEUTRAL_SETS, Segment, Viewer, acted, neutral
from streamer.decoding.loading import VAD_FILE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier
from streamer.models.emotion.track import NEUTRAL, TrackOptions
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.data import CREMA_D, DEV_SPEAKERS, read_manifest

MORE_SETS: Final = {"commands": ("asr/picovoice_commands",), "odd voices": ("asr/misc_english",)}
"""Heard here only."""
GRID: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
ODD_SHARE: Final = 0.02
"""Of the segments of MORE_SETS, at most, that may be called one emotion."""
RIGHT: Final = 0.75
"""Of the acted segments that are called so, at least."""


def called(segments: Sequence[Segment], label: str, threshold: float) -> list[Segment]:
    return [one for one in segments if one[1] == label and one[2] >= threshold]


def threshold_of(
    label: str, calm: Sequence[Segment], odd: Sequence[Segment], dev: Sequence[Segment]
) -> tuple[float, list[dict[str, float]]]:
    """The lowest threshold that will do, 1 if none does; and what each gives, from the highest.

    Calm speech must stay calm at each threshold above it too; acted speech need not be right
    there, where it is only a few segments.
    """
    acted_so = sum(truth == label for truth, _, _ in dev)
    best, calm_enough, found = 1.0, True, []
    for threshold in reversed(GRID):
        shown = called(dev, label, threshold)
        right = sum(truth == label for truth, _, _ in shown)
        share, odd_share = (len(called(some, label, threshold)) / len(some) for some in (calm, odd))
        calm_enough &= share == 0 and odd_share <= ODD_SHARE
        if calm_enough and right >= RIGHT * len(shown):
            best = threshold
        found.append(
            {
                "threshold": threshold,
                "calm": round(share, 4),
                "odd": round(odd_share, 4),
                "of_acted_so": round(right / max(1, acted_so), 4),
                "right": round(right / max(1, len(shown)), 4),
            }
        )
    return best, found


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
) -> None:
    classifier = EmotionClassifier(model, threads=1)
    all_labels = TrackOptions(shown_from=0.0)
    viewer = Viewer(classifier, VadModel(Zoo().path(SILERO.name, VAD_FILE)), all_labels)
    rows = [row for row in read_manifest(data / CREMA_D) if row["speaker"] in DEV_SPEAKERS]
    dev = [one for shown in acted(viewer, data / CREMA_D, rows).values() for one in shown.segments]
    calm, odd = (
        [
            segment
            for folders in sets.values()
            for how in (np.asarray, suppressed)
            for segment in neutral(viewer, data, folders, how, half=half).segments
        ]
        for sets, half in ((NEUTRAL_SETS, 0), (MORE_SETS, None))
    )
    results: dict[str, Any] = {"segments": {"calm": len(calm), "odd": len(odd), "dev": len(dev)}}
    for label in LABELS:
        if label != NEUTRAL:
            threshold, tried = threshold_of(label, calm, odd, dev)
            results[label] = {"shown_from": threshold, "tried": tried}
    Console().print_json(json.dumps(results))
    write_json("emotion.thresholds", out, {}, results, file="emotion_thresholds")


app = run(main)

if __name__ == "__main__":
    app()
