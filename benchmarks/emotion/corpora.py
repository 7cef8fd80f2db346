"""How well and how fast the emotion classifier works.

CREMA-D figures are for the ten test speakers, whom training never heard, against the emotion the
actor was asked for. RAVDESS and EMO-DB were never trained on; classes that the model does not know
are left out. Read speech (other speakers than those trained on) should be neutral or unknown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
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
from benchmarks.emotion.scores import (
    Scored,
    amplified,
    confusion,
    coverage,
    middle,
    noisy,
    non_speech,
    opening,
    reliability,
    score_middles,
    score_whole,
    summary,
    telephone,
    uar,
)
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, Samples
from streamer.models.emotion.track import UNKNOWN, TrackOptions, shown_label
from streamer.models.train.emotion.data import (
    CREMA_D,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    load_clips,
    load_read_speech,
    read_manifest,
)

WEIGHTS: Final = Path(__file__).resolve().parents[2] / "models" / "weights" / "emotion.onnx"
WINDOWS_S: Final = (1.0, 2.0, 3.0, 4.0)
LIVE_WINDOW_S: Final = 3.0
OTHER_SETS: Final = {"ravdess": "emotion/ravdess_eval_only_nc", "emodb_de": "emotion/emodb_de"}
READ_SETS: Final = {
    "librispeech_test_clean": "asr/librispeech_test_clean_opus",
    "librispeech_test_other": "asr/librispeech_test_other",
    "speechocean762": "asr/speechocean762",
}
READ_PER_SPEAKER: Final = 15
NON_SPEECH: Final = ("white noise", "brown noise", "hum", "clicks")
VOTES: Final = dict(zip("NHSAFD", LABELS, strict=True))

ModelOption = Annotated[Path, typer.Option("--model", help="An emotion.onnx.")]


def listeners(data: Path) -> dict[str, Any]:
    """How well human listeners, by majority on the voice alone, tell the acted emotion."""
    rows = [r for r in read_manifest(data / CREMA_D) if r["speaker"] in TEST_SPEAKERS]
    rows = [r for r in rows if r["voice_vote"] in VOTES]  # a tie names several
    labels = np.array([LABELS.index(r["label"]) for r in rows])
    heard = np.array([LABELS.index(VOTES[r["voice_vote"]]) for r in rows])
    return {"clips": len(rows), "uar": round(uar(labels, heard), 4)}


def shown(model: EmotionClassifier, samples: Samples) -> str:
    """What a live view would show for this one window."""
    return shown_label(model.predict(samples).probs, TrackOptions(shown_from_of=model.shown_from))


def shares(labels: Sequence[str]) -> dict[str, float]:
    """How often each label occurs, the frequent ones first."""
    counted = {name: labels.count(name) / len(labels) for name in (*LABELS, UNKNOWN)}
    ranked = sorted(counted.items(), key=lambda item: -item[1])
    return {name: round(share, 4) for name, share in ranked if share > 0}


def read_speech(model: EmotionClassifier, data: Path) -> dict[str, Any]:
    """What 3 s windows of speech that nobody acted are called."""
    found = {}
    for name, folder in READ_SETS.items():
        if not (data / folder).is_dir():
            continue
        clips = load_read_speech(data / folder, READ_PER_SPEAKER)
        labels = [shown(model, middle(clip.samples, LIVE_WINDOW_S)) for clip in clips]
        emotional = [label for label in labels if label not in ("neutral", UNKNOWN)]
        found[name] = {
            "windows": len(labels),
            "speakers": len({clip.speaker for clip in clips}),
            "given_an_emotion": round(len(emotional) / len(labels), 4),
            "shares": shares(labels),
        }
    return found


def nothing_spoken(model: EmotionClassifier, per_kind: int = 25) -> dict[str, dict[str, float]]:
    """What 3 s windows without speech are called, if the voice activity detector lets them by."""
    return {
        kind: shares([shown(model, non_speech(kind, LIVE_WINDOW_S, n)) for n in range(per_kind)])
        for kind in NON_SPEECH
    }


def same_label(one: Scored, other: Scored) -> float:
    return round(float(np.mean(one.predicted == other.predicted)), 4)


def milliseconds(model: EmotionClassifier, seconds: float, rounds: int) -> dict[str, Any]:
    noise = np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE)) * 0.1
    window = noise.astype(np.float32)
    for _ in range(10):
        model.predict(window)
    taken, computed = [], []
    for _ in range(rounds):
        start, start_cpu = time.perf_counter(), time.thread_time()
        model.predict(window)
        taken.append(1e3 * (time.perf_counter() - start))
        computed.append(1e3 * (time.thread_time() - start_cpu))
    # One thread is the caller's own: what others take of the core is not in its CPU time.
    return {"window_s": seconds, **percentiles(taken), "cpu": percentiles(computed)}


def evaluate(model: EmotionClassifier, data: Path) -> dict[str, Any]:
    whole, windowed = partial(score_whole, model), partial(score_middles, model)
    test = load_clips(data / CREMA_D, TEST_SPEAKERS)
    on_test = whole(test)
    on_dev = windowed(load_clips(data / CREMA_D, DEV_SPEAKERS), LIVE_WINDOW_S)
    loud, soft = (whole(test, partial(amplified, gain_db=gain)) for gain in (20, -30))
    return {
        "test": summary(on_test),
        "windows": [{"window_s": s, **summary(windowed(test, s))} for s in WINDOWS_S],
        "first_second": summary(whole(test, partial(opening, seconds=1.0))),
        "white_noise": [
            {"snr_db": snr, **summary(whole(test, partial(noisy, snr_db=snr)))}
            for snr in (20, 10, 5)
        ],
        "telephone_band": summary(whole(test, telephone)),
        "gain": {
            "same_label_at_-30_db": same_label(on_test, soft),
            "same_label_at_+20_db_clipped": same_label(on_test, loud),
            "uar_at_+20_db_clipped": summary(loud)["uar"],
        },
        "listeners_on_test": listeners(data),
        "other_sets": {
            name: summary(whole(load_clips(data / folder)))
            for name, folder in OTHER_SETS.items()
            if (data / folder).is_dir()
        },
        "read_speech_3s": read_speech(model, data),
        "non_speech_3s": nothing_spoken(model),
        "dev_3s": summary(on_dev),
        "dev_3s_unknown": coverage(on_dev, (0.3, 0.35, 0.4, 0.45, 0.5, 0.6)),
        "confusion": {"labels": list(LABELS), "table": confusion(on_test)},
        "reliability": reliability(on_test),
    }


def conditions(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parts of the results that are summaries, by a short name."""
    return {
        "whole clip": results["test"],
        **{f"{part['window_s']:g} s": part for part in results["windows"]},
        "first second": results["first_second"],
        **{f"{part['snr_db']} dB noise": part for part in results["white_noise"]},
        "telephone": results["telephone_band"],
        **results["other_sets"],
    }


def picture(results: Mapping[str, Any]) -> Figure:
    """The confusion of the test speakers, the UAR in each condition, and the calibration."""
    table = np.array(results["confusion"]["table"], float)
    share = table / table.sum(axis=1, keepdims=True)
    drawn = figure(14.0, 4.6)
    left, middle_axes, right = drawn.subplots(1, 3, width_ratios=(1.1, 1, 0.9))
    left.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(share.shape):
        colour = "white" if share[i, j] > 0.5 else "black"
        left.text(j, i, f"{100 * share[i, j]:.0f}", ha="center", va="center", color=colour)
    style(left, "CREMA-D test speakers, whole clips, %", "predicted", "acted")
    left.grid(visible=False)
    left.set_xticks(range(len(LABELS)), LABELS, rotation=30)
    left.set_yticks(range(len(LABELS)), LABELS)
    bars = {name: part["uar"] for name, part in conditions(results).items()}
    middle_axes.barh(list(bars), list(bars.values()), color="#1f77b4")
    for row, value in enumerate(bars.values()):
        middle_axes.text(value + 0.01, row, f"{value:.2f}", va="center")
    middle_axes.axvline(1 / len(LABELS), color="grey", linestyle=":")
    middle_axes.invert_yaxis()
    middle_axes.set_xlim(0, 1)
    style(middle_axes, "Unweighted average recall (dotted: chance)", "UAR", "")
    middle_axes.grid(visible=False)
    bins = results["reliability"]
    right.plot([0, 1], [0, 1], color="grey", linestyle=":")
    right.scatter(
        [b["confidence"] for b in bins],
        [b["accuracy"] for b in bins],
        s=[20 + 400 * b["share"] for b in bins],
        color="#1f77b4",
    )
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    style(right, "Calibration (area: share of clips)", "confidence", "accuracy")
    return drawn


def show(results: Mapping[str, Any], console: Console) -> None:
    table = Table("set", "clips", "UAR", "95 % (speakers)", "F1", "ECE", "named", *LABELS)
    for name, part in {**conditions(results), "dev, 3 s": results["dev_3s"]}.items():
        low, high = part["uar_ci95_speakers"]
        recall = [f"{part['recall'].get(label, float('nan')):.2f}" for label in LABELS]
        figures = [f"{part[key]:.3f}" for key in ("macro_f1", "ece", "named_share")]
        interval = f"{low:.3f}-{high:.3f}"
        table.add_row(name, str(part["clips"]), f"{part['uar']:.3f}", interval, *figures, *recall)
    console.print(table)
    for name, part in results["read_speech_3s"].items():
        console.print(f"read speech, {name}: {part['given_an_emotion']:.1%} given an emotion")
    cost = results["one_thread_ms"]
    console.print(f"one 3 s window: {cost['p50']} ms, {cost['cpu']['p50']} ms of CPU time (median)")


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls.")] = 200,
) -> None:
    classifier = EmotionClassifier(model, threads=1)
    # The time first: afterwards a shared machine is busier than it need be.
    cost = milliseconds(classifier, LIVE_WINDOW_S, rounds)
    results = {**evaluate(classifier, data), "one_thread_ms": cost}
    show(results, Console(width=150))
    parameters = {"megabytes": round(model.stat().st_size / 1e6, 2), "rounds": rounds}
    write_result("emotion.corpora", out, parameters, results, picture(results), file="emotion")


app = run(main)

if __name__ == "__main__":
    app()
