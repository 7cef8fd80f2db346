"""How a browser's own processing of the microphone moves the emotion that is told.

The same clips of the test speakers, as they are and behind the noise suppression and the automatic
gain of WebRTC, which Chromium switches on where a page does not say otherwise; in quiet, and in
pink noise. Echo cancelling is left out: it needs what the loudspeaker plays. Clips come as loud as
a microphone on a desk gives them. `pip install webrtc-noise-gain` first.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import WEIGHTS, ModelOption, same_label
from benchmarks.emotion.scores import Scored, score_whole, summary
from streamer.models.emotion.classifier import EmotionClassifier, Samples
from streamer.models.train.emotion.browser import Processing, at_level, browsed, pink
from streamer.models.train.emotion.data import CREMA_D, TEST_SPEAKERS, load_clips

LEVEL_DBFS: Final = -32.0
"""Of the speech, before the browser has it."""
SNR_DB: Final = 15.0

PROCESSING: Final = {
    "noise suppression": Processing(suppression=3),
    "automatic gain": Processing(gain_dbfs=15),
    "both": Processing(gain_dbfs=15, suppression=3),
}


def desk(samples: Samples) -> Samples:
    """As loud as a microphone on a desk gives it."""
    return at_level(samples, LEVEL_DBFS)


def in_noise(samples: Samples) -> Samples:
    """The same with pink noise, that every run hears alike."""
    noise = pink(len(samples), np.random.default_rng(len(samples)))
    return np.asarray(desk(samples) + 10 ** ((LEVEL_DBFS - SNR_DB) / 20) * noise, np.float32)


def suppressed(samples: Samples) -> Samples:
    """As a browser hands them over that suppresses noise and evens out loudness."""
    return browsed(desk(samples), PROCESSING["both"])


def compared(plain: Scored, other: Scored) -> dict[str, Any]:
    return {**summary(other), "same_label": same_label(plain, other)}


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
) -> None:
    classifier = EmotionClassifier(model, threads=1)
    clips = load_clips(data / CREMA_D, TEST_SPEAKERS)
    results: dict[str, Any] = {}
    for place, heard in (("quiet", desk), ("noise", in_noise)):
        near = [replace(clip, samples=heard(clip.samples)) for clip in clips]
        plain = score_whole(classifier, near)
        results[place] = {"as it is": summary(plain)}
        for name, how in PROCESSING.items():
            other = score_whole(classifier, near, partial(browsed, how=how))
            results[place][name] = compared(plain, other)
    Console().print_json(json.dumps(results))
    parameters = {"level_dbfs": LEVEL_DBFS, "snr_db": SNR_DB}
    write_json("emotion.browser", out, parameters, results, file="emotion_browser")


app = run(main)

if __name__ == "__main__":
    app()
