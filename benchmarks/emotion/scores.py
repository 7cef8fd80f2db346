"""How predictions of emotions are judged: recalls, intervals by speaker, calibration.

UAR is unweighted average recall, chance is 1/6 with six classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, Samples
from streamer.models.emotion.track import TrackOptions
from streamer.models.train.emotion.data import Clip

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Predict = Callable[[Samples], dict[str, float]]
"""Samples -> probabilities in the order of LABELS."""


@dataclass(frozen=True)
class Scored:
    """Probabilities [n, C] of n clips, their true labels [n] and their speakers."""

    probs: Floats
    labels: Integers
    speakers: list[str]

    @property
    def predicted(self) -> Integers:
        return np.asarray(self.probs.argmax(axis=1))


def score(clips: Sequence[Clip], predict: Predict) -> Scored:
    rows = [list(predict(clip.samples).values()) for clip in clips]
    labels = np.array([clip.label for clip in clips])
    return Scored(np.array(rows), labels, [clip.speaker for clip in clips])


def score_whole(
    model: EmotionClassifier,
    clips: Sequence[Clip],
    change: Callable[[Samples], Samples] = lambda samples: samples,
) -> Scored:
    """Each clip heard whole, changed before."""
    return score(clips, lambda samples: model.classify_clip(change(samples)).probs)


def score_middles(model: EmotionClassifier, clips: Sequence[Clip], seconds: float) -> Scored:
    """A window from the middle of each clip."""
    return score(clips, lambda samples: model.predict(middle(samples, seconds)).probs)


def recalls(labels: Integers, predicted: Integers) -> Floats:
    """Recall of each class, NaN for an absent one. [C]"""
    return np.array(
        [
            float(np.mean(predicted[labels == c] == c)) if np.any(labels == c) else np.nan
            for c in range(len(LABELS))
        ]
    )


def uar(labels: Integers, predicted: Integers) -> float:
    return float(np.nanmean(recalls(labels, predicted)))


def macro_f1(labels: Integers, predicted: Integers) -> float:
    """Mean over the classes present of the harmonic mean of precision and recall."""
    scores = []
    for c in np.unique(labels):
        hits = np.sum((labels == c) & (predicted == c))
        scores.append(2 * hits / (np.sum(labels == c) + np.sum(predicted == c)))
    return float(np.mean(scores))


def drawn_by_speaker(speakers: Sequence[str], rounds: int, seed: int) -> Iterator[Integers]:
    """For each round, the clips of as many speakers as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    names = np.array(speakers)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    for _ in range(rounds):
        yield np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])


def speaker_interval(scored: Scored, rounds: int = 2_000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the UAR, drawing speakers with replacement."""
    drawn = [
        uar(scored.labels[chosen], scored.predicted[chosen])
        for chosen in drawn_by_speaker(scored.speakers, rounds, seed)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def reliability(scored: Scored, n_bins: int = 15) -> list[dict[str, float]]:
    """Share, mean confidence and accuracy in bins of equal width of the likeliest class."""
    sure = scored.probs.max(axis=1)
    right = scored.predicted == scored.labels
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    return [
        {
            "share": float(np.mean(bins == b)),
            "confidence": float(np.mean(sure[bins == b])),
            "accuracy": float(np.mean(right[bins == b])),
        }
        for b in np.unique(bins)
    ]


def calibration_error(scored: Scored) -> float:
    """Expected calibration error of the likeliest class."""
    return sum(b["share"] * abs(b["accuracy"] - b["confidence"]) for b in reliability(scored))


def overconfidence(scored: Scored) -> float:
    """Mean confidence less accuracy; below 0 it is right more often than it claims."""
    right = np.mean(scored.predicted == scored.labels)
    return float(np.mean(scored.probs.max(axis=1)) - right)


def summary(scored: Scored) -> dict[str, Any]:
    low, high = speaker_interval(scored)
    named = zip(LABELS, recalls(scored.labels, scored.predicted), strict=True)
    return {
        "clips": len(scored.labels),
        "speakers": len(set(scored.speakers)),
        "uar": round(uar(scored.labels, scored.predicted), 4),
        "uar_ci95_speakers": [round(low, 4), round(high, 4)],
        "macro_f1": round(macro_f1(scored.labels, scored.predicted), 4),
        "accuracy": round(float(np.mean(scored.predicted == scored.labels)), 4),
        "ece": round(calibration_error(scored), 4),
        "overconfidence": round(overconfidence(scored), 4),
        **coverage(scored, (TrackOptions().unknown_below,))[0],
        "recall": {name: round(float(r), 4) for name, r in named if not np.isnan(r)},
    }


def confusion(scored: Scored) -> list[list[int]]:
    """Rows are true classes, columns predicted ones."""
    table = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(table, (scored.labels, scored.predicted), 1)
    return [[int(n) for n in row] for row in table]


def coverage(scored: Scored, thresholds: Sequence[float]) -> list[dict[str, float | None]]:
    """What `unknown` below a threshold leaves, and how often the rest is right."""
    sure, right = scored.probs.max(axis=1), scored.predicted == scored.labels
    return [
        {
            "unknown_below": t,
            "named_share": round(float(np.mean(sure >= t)), 4),
            "accuracy_of_named": round(float(np.mean(right[sure >= t])), 4)
            if np.any(sure >= t)
            else None,
        }
        for t in thresholds
    ]


def middle(samples: Samples, seconds: float) -> Samples:
    """The middle of a clip; a shorter one gets silence around it, as live windows have."""
    spare = len(samples) - int(seconds * SAMPLE_RATE)
    if spare >= 0:
        return samples[spare // 2 : spare // 2 + int(seconds * SAMPLE_RATE)]
    return np.pad(samples, (-spare // 2, -spare - (-spare // 2)))


def opening(samples: Samples, seconds: float) -> Samples:
    """The first so many seconds of a clip, as the first live window has them."""
    return samples[: int(seconds * SAMPLE_RATE)]


def telephone(samples: Samples) -> Samples:
    """Only 300-3400 Hz, as over a telephone."""
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(samples) * ((hertz >= 300) & (hertz <= 3_400))
    return np.asarray(np.fft.irfft(spectrum, n=len(samples)), np.float32)


def noisy(samples: Samples, snr_db: float) -> Samples:
    """White noise; seeded by the length, so that every run hears the same."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples))
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
    return np.asarray(samples + level * noise, np.float32)


def amplified(samples: Samples, gain_db: float) -> Samples:
    """Louder or softer, cut off at full scale."""
    return np.asarray(np.clip(samples * 10 ** (gain_db / 20), -1, 1), np.float32)


def non_speech(kind: str, seconds: float, seed: int) -> Samples:
    """White or brown noise, mains hum, or clicks."""
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE)
    white = rng.standard_normal(count)
    match kind:
        case "white noise":
            sound = white
        case "brown noise":
            hertz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20)
            sound = np.fft.irfft(np.fft.rfft(white) / hertz, n=count)
        case "hum":
            at = np.arange(count) / SAMPLE_RATE
            base = rng.uniform(48, 62)
            sound = sum(np.sin(2 * np.pi * base * k * at) / k for k in range(1, 9)) + 0.01 * white
        case "clicks":
            sound = 1e-3 * white
            sound[rng.integers(0, count, 12)] = 1.0
        case _:
            raise ValueError(f"there is no sound named {kind!r}")
    return np.asarray(0.2 * sound / np.abs(sound).max(), np.float32)
