"""How far speech stands above its room, by the emotion that is acted.

    python -m benchmarks.research.emotion_rooms --data ../shared/data

If loud emotions stand higher above their room in one corpus, a classifier trained on it may take
any clean recording for a loud emotion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import OTHER_SETS
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, Samples
from streamer.models.train.emotion.data import CREMA_D, READ_SPEECH, load_clips, load_read_speech

CLIPS: Final = 100
"""Of each emotion and of each set of read speech, at most."""
BAND_HZ: Final = (150, 5_000)
"""All corpora hold it."""
_FRAME: Final = SAMPLE_RATE // 40
_QUIET: Final = 0.1
"""Share of the frames that are taken for the room."""


def height_db(samples: Samples) -> float:
    """Power of the band over that of its quietest frames."""
    count = len(samples) // _FRAME
    frames = samples[: count * _FRAME].reshape(count, _FRAME) * np.hanning(_FRAME)
    hertz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
    inside = (hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1])
    power = (np.abs(np.fft.rfft(frames)[:, inside]) ** 2).sum(axis=1) + 1e-12
    return float(10 * np.log10(power.mean() / np.quantile(power, _QUIET)))


def heights(clips: Iterable[Samples]) -> dict[str, Any]:
    found = [height_db(samples) for samples in clips]
    low, middle, high = np.percentile(found, (25, 50, 75))
    quartiles = [round(float(low), 1), round(float(high), 1)]
    return {"clips": len(found), "median_db": round(float(middle), 1), "quartiles_db": quartiles}


def main(data: DataOption = Path("../shared/data"), out: OutOption = RESULTS / "research") -> None:
    draw = np.random.default_rng(0)
    results: dict[str, Any] = {}
    for name, folder in {"crema_d": CREMA_D, **OTHER_SETS}.items():
        clips = load_clips(data / folder)
        results[name] = {}
        for label, emotion in enumerate(LABELS):
            of_it = [clip.samples for clip in clips if clip.label == label]
            some = draw.permutation(len(of_it))[:CLIPS]
            results[name][emotion] = heights(of_it[i] for i in some)
    for folder in READ_SPEECH:
        read = load_read_speech(data / folder, limit_per_speaker=1)[:CLIPS]
        results[folder.rpartition("/")[2]] = {"read": heights(clip.samples for clip in read)}
    Console().print_json(json.dumps(results))
    parameters = {"band_hz": list(BAND_HZ), "quiet_share": _QUIET}
    write_json("research.emotion_rooms", out, parameters, results)


app = run(main)

if __name__ == "__main__":
    app()
