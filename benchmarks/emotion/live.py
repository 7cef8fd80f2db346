"""How the live emotion label behaves: on streams in which the emotion changes, and on read speech.

Each acted stream strings clips of one speaker together: turns of four clips of one acted emotion,
0.3 s of silence after each clip, a segment for every two clips. Each read stream is a minute of one
reader, who has no emotion to show. `EmotionMonitor` hears them step by step, as a session does. The
options of `EmotionTrack` are chosen on dev speakers with `--tune`; figures are for test speakers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, figure, run, style, write_result
from benchmarks.emotion.corpora import READ_SETS, WEIGHTS, ModelOption
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, EmotionScores, Samples
from streamer.models.emotion.track import UNKNOWN, EmotionTrack, TrackOptions
from streamer.models.train.emotion.data import (
    CREMA_D,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    Clip,
    load_clips,
    load_read_speech,
)
from streamer.recognition.emotion_monitor import EmotionMonitor, EmotionOptions
from streamer.runtime.tracing import NullSpans

TURNS: Final = 12
CLIPS_PER_TURN: Final = 4
CLIPS_PER_SEGMENT: Final = 2
PAUSE_S: Final = 0.3
STEP_S: Final = 0.256
READ_PIECES: Final = 12
SETTLED_S: Final = 3.0
"""From here on a turn counts as steady speech."""
HEARD_S: Final = (1.1, 2.0, 2.9)
"""Bounds between the lengths of windows that are told apart."""


@dataclass(frozen=True)
class Turn:
    """A stretch of one emotion, in samples."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Window:
    """What the classifier heard and said."""

    start: int
    end: int
    scores: EmotionScores


@dataclass(frozen=True)
class Stream:
    """What the track gets, and the truth."""

    windows: list[Window]
    turns: list[Turn]
    segments: list[tuple[int, int]]

    @property
    def minutes(self) -> float:
        return self.turns[-1].end / SAMPLE_RATE / 60

    def turn(self, sample: int) -> Turn:
        return next(turn for turn in self.turns if sample <= turn.end)


class Ears:
    """The classifier, with a record of what it heard."""

    def __init__(self, model: EmotionClassifier, audio: Samples) -> None:
        self._model, self._audio = model, audio
        self._span = (0, 0)
        self.windows: list[Window] = []

    def read(self, start: int, end: int) -> Samples:
        self._span = (start, end)
        return self._audio[start:end]

    def predict(self, samples: Samples) -> EmotionScores:
        scores = self._model.predict(samples)
        self.windows.append(Window(*self._span, scores))
        return scores


def listen(
    model: EmotionClassifier, audio: Samples, segments: Sequence[tuple[int, int]]
) -> list[Window]:
    """The windows that a session's monitor has classified."""
    ears, step = Ears(model, audio), int(STEP_S * SAMPLE_RATE)
    with ThreadPoolExecutor(1) as lane:
        monitor = EmotionMonitor(ears, lane, EmotionOptions(), NullSpans())
        for start, end in segments:
            for now in range(start + step, end + 1, step):
                monitor.start(ears.read, start, now)
                monitor.collect()
            monitor.segment(ears.read, start, end)
    return ears.windows


def acted_stream(model: EmotionClassifier, clips: Sequence[Clip], seed: int) -> Stream:
    """Strings clips of one speaker together and lets the monitor hear them."""
    rng = np.random.default_rng(seed)
    pause = np.zeros(int(PAUSE_S * SAMPLE_RATE), np.float32)
    parts: list[Samples] = []
    turns: list[Turn] = []
    segments: list[tuple[int, int]] = []
    at, before = 0, -1
    for _ in range(TURNS):
        label = int(rng.choice([c for c in range(len(LABELS)) if c != before]))
        of_label = [clip for clip in clips if clip.label == label]
        start, before, begun = at, label, at
        for number, index in enumerate(rng.permutation(len(of_label))[:CLIPS_PER_TURN]):
            parts += [of_label[index].samples, pause]
            at += len(of_label[index].samples) + len(pause)
            if number % CLIPS_PER_SEGMENT == CLIPS_PER_SEGMENT - 1:
                segments.append((begun, at))
                begun = at
        turns.append(Turn(start, at, LABELS[label]))
    return Stream(listen(model, np.concatenate(parts), segments), turns, segments)


def read_stream(model: EmotionClassifier, pieces: Sequence[Clip]) -> Stream:
    """One reader, a segment for every piece; what is heard should be neutral."""
    edges = np.cumsum([0, *(len(piece.samples) for piece in pieces)]).tolist()
    segments = list(itertools.pairwise(edges))
    audio = np.concatenate([piece.samples for piece in pieces])
    return Stream(listen(model, audio, segments), [Turn(0, edges[-1], "neutral")], segments)


def labels_shown(stream: Stream, options: TrackOptions | None) -> list[str]:
    """The label after each window: the track's, or the likeliest class without options."""
    track = EmotionTrack(options)
    return [
        track.update(w.scores, w.end, w.start).label if options else w.scores.best
        for w in stream.windows
    ]


def steadiness(streams: Sequence[Stream], options: TrackOptions | None) -> dict[str, float]:
    """How often the label changes where the emotion does not."""
    changes, steady_s = 0, 0.0
    for stream in streams:
        settled = SETTLED_S * SAMPLE_RATE
        steady_s += sum(max(0.0, t.end - t.start - settled) / SAMPLE_RATE for t in stream.turns)
        labels = labels_shown(stream, options)
        pairs = itertools.pairwise(zip(stream.windows, labels, strict=True))
        for (one, before), (other, after) in pairs:
            steady = one.end > stream.turn(one.end).start + settled
            same_turn = stream.turn(one.end) is stream.turn(other.end)
            changes += steady and same_turn and before != after
    return {
        "steady_minutes": round(steady_s / 60, 1),
        "changes_per_3s": round(3 * changes / steady_s, 3),
    }


def judge(streams: Sequence[Stream], options: TrackOptions | None) -> dict[str, float]:
    """Figures for the track, or for the bare windows without one."""
    count = right = unknown = changes = 0
    delays: list[float] = []
    for stream in streams:
        labels = labels_shown(stream, options)
        first_right: dict[int, int] = {}
        for window, label in zip(stream.windows, labels, strict=True):
            turn = stream.turn(window.end)
            count += 1
            unknown += label == UNKNOWN
            right += label == turn.label
            if label == turn.label:
                first_right.setdefault(turn.start, window.end)
        changes += sum(a != b for a, b in itertools.pairwise(labels))
        delays += [(end - start) / SAMPLE_RATE for start, end in first_right.items()]
    minutes = sum(stream.minutes for stream in streams)
    n_turns = sum(len(stream.turns) for stream in streams)
    return {
        "right_share_of_all": round(right / count, 4),
        "right_share_of_named": round(right / max(count - unknown, 1), 4),
        "unknown_share": round(unknown / count, 4),
        "changes_per_minute": round(changes / minutes, 2),
        "true_changes_per_minute": round((n_turns - len(streams)) / minutes, 2),
        "turns_found_share": round(len(delays) / n_turns, 4),
        "median_delay_s": round(float(np.median(delays)), 2) if delays else float("nan"),
        **steadiness(streams, options),
    }


def judge_segments(streams: Sequence[Stream], options: TrackOptions) -> dict[str, float]:
    """The label that each segment keeps."""
    labels: list[tuple[str, str]] = []
    for stream in streams:
        track = EmotionTrack(replace(options, keep_s=3_600.0))
        for w in stream.windows:
            track.update(w.scores, w.end, w.start)
        labels += [
            (stream.turn(end).label, track.segment(start, end).label)
            for start, end in stream.segments
        ]
    named = [pair for pair in labels if pair[1] != UNKNOWN]
    return {
        "segments": len(labels),
        "right_share_of_named": round(sum(a == b for a, b in named) / max(1, len(named)), 4),
        "unknown_share": round(1 - len(named) / len(labels), 4),
    }


def growth(streams: Sequence[Stream]) -> list[dict[str, float]]:
    """Confidence and accuracy of single windows, by how much of the segment they heard."""
    found: dict[int, list[tuple[float, bool, float]]] = {}
    for stream in streams:
        for w in stream.windows:
            heard_s = (w.end - w.start) / SAMPLE_RATE
            right = w.scores.best == stream.turn(w.end).label
            bucket = int(np.searchsorted(HEARD_S, heard_s))
            found.setdefault(bucket, []).append((max(w.scores.probs.values()), right, heard_s))
    return [
        {
            "windows": len(rows),
            "mean_heard_s": round(float(np.mean([row[2] for row in rows])), 2),
            "confidence": round(float(np.mean([row[0] for row in rows])), 4),
            "accuracy": round(float(np.mean([row[1] for row in rows])), 4),
        }
        for _, rows in sorted(found.items())
    ]


def tune(streams: Sequence[Stream], base: TrackOptions) -> TrackOptions:
    """Most often right, less one point of share for each needless change a minute.

    The thresholds stay: `benchmarks.emotion.shown` chose the one for emotions.
    """
    grid = itertools.product((0.5, 1.0, 1.5, 2.0, 3.0), (0.0, 0.05, 0.1, 0.15, 0.2))

    def worth(options: TrackOptions) -> float:
        found = judge(streams, options)
        needless = max(0.0, found["changes_per_minute"] - found["true_changes_per_minute"])
        both = 0.5 * (found["right_share_of_all"] + found["right_share_of_named"])
        return both - 0.01 * needless

    choices = [
        replace(base, half_life_s=half_life, hold_margin=margin) for half_life, margin in grid
    ]
    return max(choices, key=worth)


def emotional_share(streams: Sequence[Stream], options: TrackOptions) -> float:
    """How often read speech is shown as something else than neutral or unknown."""
    labels = [label for stream in streams for label in labels_shown(stream, options)]
    return round(sum(label not in ("neutral", UNKNOWN) for label in labels) / len(labels), 4)


def picture(results: dict[str, Any]) -> Figure:
    """Bare windows against the track, and how confidence grows with what was heard."""
    drawn = figure(11.0, 3.6)
    left, middle, right = drawn.subplots(1, 3)
    names, parts = ("bare windows", "track"), (results["bare_windows"], results["track"])
    left.bar(names, [part["right_share_of_named"] for part in parts], 0.5, color="#1f77b4")
    left.set_ylim(0, 1)
    style(left, "Right, of the windows with a name", "", "share")
    middle.bar(names, [part["changes_per_3s"] for part in parts], 0.5, color="#d95f02")
    style(middle, "Label changes in steady speech", "", "in 3 s")
    for name, colour in (("confidence", "#1f77b4"), ("accuracy", "#d95f02")):
        heard = [row["mean_heard_s"] for row in results["growth"]]
        right.plot(heard, [row[name] for row in results["growth"]], "o-", color=colour, label=name)
    right.set_ylim(0, 1)
    right.legend(frameon=False)
    style(right, "From the first second on", "seconds heard", "")
    return drawn


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS,
    out: OutOption = RESULTS,
    tune_options: Annotated[
        bool, typer.Option("--tune", help="Only print the best options for the dev speakers.")
    ] = False,
) -> None:
    classifier, console = EmotionClassifier(model, threads=1), Console()

    def acted(speakers: Sequence[str]) -> list[Stream]:
        clips = load_clips(data / CREMA_D, speakers)
        by_speaker = [[c for c in clips if c.speaker == name] for name in speakers]
        return [acted_stream(classifier, own, seed) for seed, own in enumerate(by_speaker)]

    options = TrackOptions(shown_from_of=classifier.shown_from)
    if tune_options:
        console.print_json(json.dumps(asdict(tune(acted(DEV_SPEAKERS), options))))
        return
    test = acted(TEST_SPEAKERS)
    pieces = load_read_speech(data / READ_SETS["librispeech_test_clean"], READ_PIECES)
    readers = sorted({piece.speaker for piece in pieces})
    read = [read_stream(classifier, [p for p in pieces if p.speaker == name]) for name in readers]
    results: dict[str, Any] = {
        "minutes": round(sum(stream.minutes for stream in test), 1),
        "bare_windows": judge(test, None),
        "track": judge(test, options),
        "segments": judge_segments(test, options),
        "growth": growth(test),
        "read_speech": {
            "minutes": round(sum(stream.minutes for stream in read), 1),
            "given_an_emotion": emotional_share(read, options),
            **steadiness(read, options),
        },
    }
    console.print_json(json.dumps(results))
    drawn = picture(results)
    write_result("emotion.live", out, asdict(options), results, drawn, file="emotion_live")


app = run(main)

if __name__ == "__main__":
    app()
