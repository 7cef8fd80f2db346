"""How well and how fast the emotion classifier works.

UAR is unweighted average recall, chance is 1/6. CREMA-D figures are for the ten test speakers,
against the emotion the actor was asked for. RAVDESS and EMO-DB were never trained on; classes
that the model does not know are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    figure,
    percentiles,
    run,
    style,
    write_result,
)
from models.emotion import LABELS, SAMPLE_RATE, EmotionClassifier
from models.train.emotion_data import (
    CREMA_D,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    Clip,
    load_clips,
    read_manifest,
)

WEIGHTS: Final = Path(__file__).resolve().parents[1] / "models" / "weights" / "emotion.onnx"
WINDOWS_S: Final = (1.0, 2.0, 3.0, 4.0)
OTHER_SETS: Final = {"ravdess": "emotion/ravdess_eval_only_nc", "emodb_de": "emotion/emodb_de"}
VOTES: Final = dict(zip("NHSAFD", LABELS, strict=True))

Floats = npt.NDArray[np.float64]
Samples = npt.NDArray[np.float32]

ModelOption = Annotated[Path, typer.Option("--model", help="An emotion.onnx.")]


@dataclass(frozen=True)
class Scored:
    """Probabilities [n, C] of n clips, their true labels [n] and their speakers."""

    probs: Floats
    labels: npt.NDArray[np.int64]
    speakers: list[str]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        return np.asarray(self.probs.argmax(axis=1))


def score(clips: Sequence[Clip], predict: Callable[[Samples], dict[str, float]]) -> Scored:
    rows = [list(predict(clip.samples).values()) for clip in clips]
    labels = np.array([clip.label for clip in clips])
    return Scored(np.array(rows), labels, [clip.speaker for clip in clips])


def recalls(labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> Floats:
    """Recall of each class, NaN for an absent one. [C]"""
    return np.array(
        [
            float(np.mean(predicted[labels == c] == c)) if np.any(labels == c) else np.nan
            for c in range(len(LABELS))
        ]
    )


def uar(labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> float:
    return float(np.nanmean(recalls(labels, predicted)))


def speaker_interval(scored: Scored, rounds: int = 2_000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the UAR, drawing speakers with replacement."""
    rng = np.random.default_rng(seed)
    speaker = np.array(scored.speakers)
    members = [np.flatnonzero(speaker == name) for name in sorted(set(scored.speakers))]
    drawn = []
    for _ in range(rounds):
        chosen = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        drawn.append(uar(scored.labels[chosen], scored.predicted[chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(scored: Scored, n_bins: int = 15) -> float:
    """Expected calibration error of the likeliest class, equal-width bins."""
    sure = scored.probs.max(axis=1)
    right = scored.predicted == scored.labels
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    gaps = [
        np.mean(bins == b) * abs(float(np.mean(right[bins == b]) - np.mean(sure[bins == b])))
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def middle(samples: Samples, seconds: float) -> Samples:
    """The middle of a clip; a shorter one gets silence around it, as live windows have."""
    spare = len(samples) - int(seconds * SAMPLE_RATE)
    if spare >= 0:
        return samples[spare // 2 : spare // 2 + int(seconds * SAMPLE_RATE)]
    return np.pad(samples, (-spare // 2, -spare - (-spare // 2)))


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


def summary(scored: Scored) -> dict[str, Any]:
    low, high = speaker_interval(scored)
    named = zip(LABELS, recalls(scored.labels, scored.predicted), strict=True)
    return {
        "clips": len(scored.labels),
        "speakers": len(set(scored.speakers)),
        "uar": round(uar(scored.labels, scored.predicted), 4),
        "uar_ci95_speakers": [round(low, 4), round(high, 4)],
        "accuracy": round(float(np.mean(scored.predicted == scored.labels)), 4),
        "ece": round(calibration_error(scored), 4),
        "recall": {name: round(float(r), 4) for name, r in named if not np.isnan(r)},
    }


def confusion(scored: Scored) -> list[list[int]]:
    """Rows are true classes, columns predicted ones."""
    table = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(table, (scored.labels, scored.predicted), 1)
    return [[int(n) for n in row] for row in table]


def coverage(scored: Scored, thresholds: Sequence[float]) -> list[dict[str, float]]:
    """What `unknown` below a threshold leaves, and how often the rest is right."""
    sure, right = scored.probs.max(axis=1), scored.predicted == scored.labels
    return [
        {
            "unknown_below": t,
            "named_share": round(float(np.mean(sure >= t)), 4),
            "accuracy_of_named": round(float(np.mean(right[sure >= t])), 4),
        }
        for t in thresholds
    ]


def listeners(data: Path) -> dict[str, Any]:
    """How well human listeners, by majority on the voice alone, tell the acted emotion."""
    rows = [r for r in read_manifest(data / CREMA_D) if r["speaker"] in TEST_SPEAKERS]
    rows = [r for r in rows if r["voice_vote"] in VOTES]  # a tie names several
    labels = np.array([LABELS.index(r["label"]) for r in rows])
    heard = np.array([LABELS.index(VOTES[r["voice_vote"]]) for r in rows])
    return {"clips": len(rows), "uar": round(uar(labels, heard), 4)}


def milliseconds(model: EmotionClassifier, seconds: float, rounds: int) -> dict[str, float]:
    noise = np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE)) * 0.1
    window = noise.astype(np.float32)
    for _ in range(10):
        model.predict(window)
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        model.predict(window)
        taken.append(1e3 * (time.perf_counter() - start))
    return {"window_s": seconds, **percentiles(taken)}


def picture(results: Mapping[str, Any]) -> Figure:
    """The confusion of the test speakers, and the UAR in each condition."""
    table = np.array(results["confusion"]["table"], float)
    share = table / table.sum(axis=1, keepdims=True)
    drawn = figure(11.0, 4.6)
    left, right = drawn.subplots(1, 2, width_ratios=(1.1, 1))
    left.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(share.shape):
        colour = "white" if share[i, j] > 0.5 else "black"
        left.text(j, i, f"{100 * share[i, j]:.0f}", ha="center", va="center", color=colour)
    style(left, "CREMA-D test speakers, whole clips, %", "predicted", "acted")
    left.grid(visible=False)
    left.set_xticks(range(len(LABELS)), LABELS, rotation=30)
    left.set_yticks(range(len(LABELS)), LABELS)
    bars = {f"{part['window_s']:g} s": part["uar"] for part in results["windows"]}
    bars["whole clip"] = results["test"]["uar"]
    bars["telephone"] = results["telephone_band"]["uar"]
    bars["10 dB noise"] = results["white_noise_10db"]["uar"]
    bars |= {name: part["uar"] for name, part in results["other_sets"].items()}
    right.barh(list(bars), list(bars.values()), color="#1f77b4")
    for row, value in enumerate(bars.values()):
        right.text(value + 0.01, row, f"{value:.2f}", va="center")
    right.axvline(1 / len(LABELS), color="grey", linestyle=":")
    right.invert_yaxis()
    right.set_xlim(0, 1)
    style(right, "Unweighted average recall (dotted: chance)", "UAR", "")
    right.grid(visible=False)
    return drawn


def windowed(model: EmotionClassifier, seconds: float) -> Callable[[Samples], dict[str, float]]:
    """A classifier that hears only the middle of a clip."""
    return lambda samples: model.predict(middle(samples, seconds)).probs


def evaluate(model: EmotionClassifier, data: Path, rounds: int) -> dict[str, Any]:
    def whole(samples: Samples) -> dict[str, float]:
        return model.classify_clip(samples).probs

    test = load_clips(data / CREMA_D, TEST_SPEAKERS)
    dev = load_clips(data / CREMA_D, DEV_SPEAKERS)
    on_test = score(test, whole)
    by_window = []
    for seconds in WINDOWS_S:
        part = score(test, windowed(model, seconds))
        by_window.append({"window_s": seconds, **summary(part)})
    on_dev = score(dev, windowed(model, 3.0))
    return {
        "test": summary(on_test),
        "windows": by_window,
        "telephone_band": summary(score(test, lambda s: whole(telephone(s)))),
        "white_noise_10db": summary(score(test, lambda s: whole(noisy(s, 10)))),
        "listeners_on_test": listeners(data),
        "other_sets": {
            name: summary(score(load_clips(data / folder), whole))
            for name, folder in OTHER_SETS.items()
            if (data / folder).is_dir()
        },
        "dev_3s": summary(on_dev),
        "dev_3s_unknown": coverage(on_dev, (0.3, 0.35, 0.4, 0.45, 0.5, 0.6)),
        "confusion": {"labels": list(LABELS), "table": confusion(on_test)},
        "one_thread_ms": milliseconds(model, 3.0, rounds),
    }


def show(results: Mapping[str, Any], console: Console) -> None:
    table = Table("set", "clips", "UAR", "95 % (speakers)", "ECE", *LABELS)
    named = {"CREMA-D test": results["test"]}
    named |= {f"{part['window_s']:g} s": part for part in results["windows"]}
    named |= {"telephone": results["telephone_band"], "10 dB noise": results["white_noise_10db"]}
    named |= {**results["other_sets"], "dev, 3 s": results["dev_3s"]}
    for name, part in named.items():
        low, high = part["uar_ci95_speakers"]
        recall = [f"{part['recall'].get(label, float('nan')):.2f}" for label in LABELS]
        figures = [f"{part['uar']:.3f}", f"{low:.3f}-{high:.3f}", f"{part['ece']:.3f}"]
        table.add_row(name, str(part["clips"]), *figures, *recall)
    console.print(table)
    console.print(f"one 3 s window on one thread: {results['one_thread_ms']['p50']} ms (median)")


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls.")] = 200,
) -> None:
    results = evaluate(EmotionClassifier(model, threads=1), data, rounds)
    show(results, Console(width=140))
    parameters = {"megabytes": round(model.stat().st_size / 1e6, 2), "rounds": rounds}
    write_result("emotion", out, parameters, results, picture(results))


app = run(main)

if __name__ == "__main__":
    app()
