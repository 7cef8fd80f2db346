"""What a browser's noise suppression is worth to the captions, and whether it makes calm speech
look emotional.

Emotion is heard better without it: see `benchmarks.emotion.browser`. Read clips, as loud as a
microphone on a desk gives them, in quiet and in pink noise 15 dB below, heard without the LLM, with
it and without; and calm speech of six kinds in quiet. Automatic gain is on, as on the page.
`pip install webrtc-noise-gain` first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    choose,
    interval95,
    load_sets,
    run,
    write_json,
)
from benchmarks.emotion.browser import PROCESSING, desk, in_noise
from benchmarks.emotion.corpora import WEIGHTS
from benchmarks.emotion.shown import NEUTRAL_SETS, Viewer, emotional, neutral
from benchmarks.quality.streaming import stream
from streamer.audio.arrays import Floats
from streamer.decoding.loading import VAD_FILE
from streamer.models.emotion.classifier import EmotionClassifier
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.browser import browsed
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, word_errors

SETS: Final = "librispeech_test_clean_opus,librispeech_test_other"
PLACES: Final = {"quiet": desk, "noise": in_noise}
WITH, WITHOUT = "both", "automatic gain"
"""Of PROCESSING."""
CALM_MINUTES: Final = 3.0
"""Heard of each set, at most."""


def errors(engine: Engine, clips: Sequence[Recording], place: str, how: str) -> list[WordErrors]:
    """Of each clip."""
    found = []
    for clip in clips:
        samples = browsed(PLACES[place](np.concatenate(clip.pieces())), PROCESSING[how])
        heard = stream(engine, samples, SessionOptions(decoder="draft")).transcription.text
        found.append(word_errors(clip.text, heard))
    return found


def percent(found: Iterable[WordErrors]) -> float:
    return 100 * sum(found, WordErrors()).rate


def difference(without: Sequence[WordErrors], with_it: Sequence[WordErrors]) -> list[float]:
    """95 % interval of the errors a hundred words more without it, drawing clips."""
    draw = np.random.default_rng(0)
    drawn = draw.integers(0, len(without), (2_000, len(without)))
    return interval95(
        [percent(without[i] for i in row) - percent(with_it[i] for i in row) for row in drawn], 2
    )


def words(clips: Sequence[Recording]) -> dict[str, Any]:
    options = EngineOptions(threads=1, llm=False, latency="low", emotion_model=None)
    results = {}
    with closing(Engine.load(options)) as engine:
        for place in PLACES:
            with_it, without = (errors(engine, clips, place, how) for how in (WITH, WITHOUT))
            results[place] = {
                "words": sum(found.reference_words for found in without),
                "suppressed_wer_percent": round(percent(with_it), 2),
                "not_suppressed_wer_percent": round(percent(without), 2),
                "more_without_ci95": difference(without, with_it),
            }
    return results


def calm(viewer: Viewer, data: Path) -> dict[str, Any]:
    """Segments in which nobody acts, and how many of them are shown as emotional, in percent."""

    def told(how: str) -> dict[str, Any]:
        def arriving(samples: Floats) -> Floats:
            return browsed(desk(samples), PROCESSING[how])

        labels = [
            label
            for folders in NEUTRAL_SETS.values()
            for _, label, _ in neutral(viewer, data, folders, arriving, CALM_MINUTES).segments
        ]
        shown_percent = round(100 * sum(map(emotional, labels)) / len(labels), 2)
        return {"segments": len(labels), "shown_percent": shown_percent}

    return {how: told(how) for how in (WITH, WITHOUT)}


def main(
    data: DataOption = Path("../shared/data"),
    out: OutOption = RESULTS,
    clips: Annotated[int, typer.Option(help="Clips, as many of each set.")] = 30,
) -> None:
    chosen = [clip for some in choose(load_sets(SETS, data), clips, 0).values() for clip in some]
    viewer = Viewer(
        EmotionClassifier(WEIGHTS, threads=1), VadModel(Zoo().path(SILERO.name, VAD_FILE))
    )
    results = {**words(chosen), "calm": calm(viewer, data)}
    Console().print_json(json.dumps(results))
    parameters = {"sets": SETS, "clips": clips}
    write_json("emotion.suppression", out, parameters, results, file="emotion_suppression")


app = run(main)

if __name__ == "__main__":
    app()
