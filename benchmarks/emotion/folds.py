"""How well the emotion recipe does for any speakers: trained anew for each fold of them.

Speakers are split into folds; each fold is the test part of one training that never heard it, with
a seed of its own. So every speaker is judged once, by a network that shares the recipe with the
shipped one and nothing else. It is none of the shipped weights that is judged here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import LIVE_WINDOW_S, OTHER_SETS
from benchmarks.emotion.scores import Scored, score_middles, score_whole, summary
from streamer.models.emotion.classifier import EmotionClassifier
from streamer.models.train.emotion.config import TrainConfig
from streamer.models.train.emotion.data import (
    CREMA_D,
    SPLIT_SEED,
    load_clips,
    read_manifest,
    speaker_folds,
)
from streamer.models.train.emotion.train import find_encoder, train

DEV_SPEAKERS: Final = 8


@dataclass(frozen=True)
class Fold:
    """Speakers who choose the epoch, and speakers who are only judged."""

    dev: tuple[str, ...]
    test: tuple[str, ...]


def split(
    speakers: Sequence[str], count: int, n_dev: int = DEV_SPEAKERS, seed: int = SPLIT_SEED
) -> list[Fold]:
    """Each speaker is in the test part of one fold; the dev part is drawn from the next one's."""
    parts = speaker_folds(speakers, count, seed)
    return [Fold(parts[(k + 1) % count][:n_dev], parts[k]) for k in range(count)]


def pooled(parts: Sequence[Scored]) -> Scored:
    return Scored(
        np.concatenate([part.probs for part in parts]),
        np.concatenate([part.labels for part in parts]),
        [name for part in parts for name in part.speakers],
    )


def main(
    data: DataOption = Path("../shared/data"),
    out: OutOption = RESULTS,
    folds: Annotated[int, typer.Option(min=3, help="Parts of the speakers.")] = 3,
    work: Annotated[Path, typer.Option(help="Checkpoints; a run goes on from them.")] = Path(
        "runs/emotion_folds"
    ),
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    speakers = [str(row["speaker"]) for row in read_manifest(data / CREMA_D)]
    others = {name: load_clips(data / folder) for name, folder in OTHER_SETS.items()}
    config = TrainConfig()
    by_clip, by_window, each = [], [], []
    for number, fold in enumerate(split(speakers, folds)):
        folder = work / f"fold{number}"
        model = folder / "emotion.onnx"
        seed = config.seed + number
        if not model.is_file():
            train(
                replace(config, seed=seed),
                data,
                folder,
                folder,
                encoder=find_encoder(),
                resume=True,
                dev_speakers=fold.dev,
                test_speakers=fold.test,
            )
        classifier = EmotionClassifier(model, threads=1)
        clips = load_clips(data / CREMA_D, fold.test)
        by_clip.append(score_whole(classifier, clips))
        by_window.append(score_middles(classifier, clips, LIVE_WINDOW_S))
        each.append(
            {
                "seed": seed,
                "speakers": len(fold.test),
                "dev_uar": json.loads((folder / "emotion_train.json").read_text())["dev_uar"],
                "whole_clips": summary(by_clip[-1]),
                "windows_3s": summary(by_window[-1]),
                **{name: summary(score_whole(classifier, heard)) for name, heard in others.items()},
            }
        )
    results: dict[str, Any] = {
        "all_speakers": summary(pooled(by_clip)),
        "all_speakers_3s": summary(pooled(by_window)),
        "folds": each,
    }
    Console().print_json(json.dumps(results))
    parameters = {"folds": folds, "dev_speakers": DEV_SPEAKERS}
    write_json("emotion.folds", out, parameters, results, file="emotion_folds")


app = run(main)

if __name__ == "__main__":
    app()
