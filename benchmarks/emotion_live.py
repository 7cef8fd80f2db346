"""How the live emotion label behaves on streams in which the emotion changes.

Each stream strings clips of one speaker together: turns of four clips of one acted emotion, 0.3 s
of silence between clips. A 3 s window is classified every second. The options of `EmotionTrack`
are chosen on dev speakers with `--tune`; the figures are for the test speakers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, figure, run, style, write_result
from benchmarks.emotion import WEIGHTS, ModelOption
from models.emotion import LABELS, SAMPLE_RATE, EmotionClassifier, EmotionScores
from models.emotion_track import UNKNOWN, EmotionTrack, TrackOptions
from models.train.emotion_data import CREMA_D, DEV_SPEAKERS, TEST_SPEAKERS, Clip, load_clips

TURNS: Final = 12
CLIPS_PER_TURN: Final = 4
PAUSE_S: Final = 0.3
WINDOW_S: Final = 3.0
HOP_S: Final = 1.0


@dataclass(frozen=True)
class Turn:
    """A stretch of one emotion, in samples."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Stream:
    """What the track gets, and the truth."""

    windows: list[tuple[int, EmotionScores]]
    turns: list[Turn]

    @property
    def minutes(self) -> float:
        return self.turns[-1].end / SAMPLE_RATE / 60

    def truth(self, sample: int) -> str:
        return next(turn.label for turn in self.turns if sample <= turn.end)


def make_stream(model: EmotionClassifier, clips: Sequence[Clip], seed: int) -> Stream:
    """Strings clips of one speaker together and classifies the windows."""
    rng = np.random.default_rng(seed)
    pause = np.zeros(int(PAUSE_S * SAMPLE_RATE), np.float32)
    parts: list[npt.NDArray[np.float32]] = []
    turns: list[Turn] = []
    at, before = 0, -1
    for _ in range(TURNS):
        label = int(rng.choice([c for c in range(len(LABELS)) if c != before]))
        of_label = [clip for clip in clips if clip.label == label]
        start, before = at, label
        for index in rng.permutation(len(of_label))[:CLIPS_PER_TURN]:
            parts += [of_label[index].samples, pause]
            at += len(of_label[index].samples) + len(pause)
        turns.append(Turn(start, at, LABELS[label]))
    audio = np.concatenate(parts)
    window, hop = int(WINDOW_S * SAMPLE_RATE), int(HOP_S * SAMPLE_RATE)
    ends = range(window, len(audio) + 1, hop)
    return Stream([(end, model.predict(audio[end - window : end])) for end in ends], turns)


def judge(streams: Sequence[Stream], options: TrackOptions | None) -> dict[str, float]:
    """Figures for the track, or for the bare windows without one."""
    shown_n = right = unknown = switches = 0
    delays: list[float] = []
    for stream in streams:
        track = EmotionTrack(options)
        before = ""
        first_right: dict[int, int] = {}
        for end, scores in stream.windows:
            label = track.update(scores, end).label if options else scores.best
            shown_n += 1
            unknown += label == UNKNOWN
            right += label == stream.truth(end)
            switches += before not in (label, "")
            before = label
            turn = next(t for t in stream.turns if end <= t.end)
            if label == turn.label:
                first_right.setdefault(turn.start, end)
        delays += [(first_right[s] - s) / SAMPLE_RATE for s in first_right if s > 0]
    minutes = sum(stream.minutes for stream in streams)
    named = shown_n - unknown
    return {
        "right_share_of_all": round(right / shown_n, 4),
        "right_share_of_named": round(right / max(named, 1), 4),
        "unknown_share": round(unknown / shown_n, 4),
        "switches_per_minute": round(switches / minutes, 2),
        "true_changes_per_minute": round(sum(len(s.turns) - 1 for s in streams) / minutes, 2),
        "turns_found_share": round(len(delays) / max(1, sum(len(s.turns) - 1 for s in streams)), 4),
        "median_delay_s": round(float(np.median(delays)), 2) if delays else float("nan"),
    }


def judge_segments(streams: Sequence[Stream], options: TrackOptions) -> dict[str, float]:
    """`segment` over whole turns."""
    labels: list[tuple[str, str]] = []
    for stream in streams:
        track = EmotionTrack(replace(options, keep_s=3_600.0))
        for end, scores in stream.windows:
            track.update(scores, end)
        labels += [(t.label, track.segment(t.start, t.end).label) for t in stream.turns]
    named = [pair for pair in labels if pair[1] != UNKNOWN]
    return {
        "turns": len(labels),
        "right_share_of_named": round(sum(a == b for a, b in named) / max(1, len(named)), 4),
        "unknown_share": round(1 - len(named) / len(labels), 4),
    }


def tune(streams: Sequence[Stream]) -> TrackOptions:
    """Most often right, less one point of share for each needless switch a minute.

    `unknown_below` stays: it is the lowest threshold, in steps of 0.05, at which 70 % of the
    named 3 s windows of the dev speakers are right (`dev_3s_unknown` in `benchmarks.emotion`).
    """
    grid = itertools.product((0.5, 1.0, 1.5, 2.0, 3.0), (0.0, 0.05, 0.1, 0.15))

    def worth(options: TrackOptions) -> float:
        found = judge(streams, options)
        needless = max(0.0, found["switches_per_minute"] - found["true_changes_per_minute"])
        both = 0.5 * (found["right_share_of_all"] + found["right_share_of_named"])
        return both - 0.01 * needless

    choices = [
        TrackOptions(half_life_s=half_life, switch_margin=margin) for half_life, margin in grid
    ]
    return max(choices, key=worth)


def picture(results: Mapping[str, Any]) -> Figure:
    """Bare windows against the track: how often right, how often the label changes."""
    drawn = figure(9.0, 3.6)
    left, right = drawn.subplots(1, 2)
    names, parts = ("bare windows", "track"), (results["bare_windows"], results["track"])
    left.bar(names, [part["right_share_of_named"] for part in parts], 0.5, color="#1f77b4")
    left.set_ylim(0, 1)
    style(left, "Right, of the windows with a name", "", "share")
    right.bar(names, [part["switches_per_minute"] for part in parts], 0.5, color="#d95f02")
    right.axhline(results["track"]["true_changes_per_minute"], color="grey", linestyle=":")
    style(right, "Changes of the label (dotted: true changes)", "", "a minute")
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

    def streams(speakers: Sequence[str]) -> list[Stream]:
        clips = load_clips(data / CREMA_D, speakers)
        by_speaker = [[c for c in clips if c.speaker == name] for name in speakers]
        return [make_stream(classifier, own, seed) for seed, own in enumerate(by_speaker)]

    if tune_options:
        console.print_json(json.dumps(asdict(tune(streams(DEV_SPEAKERS)))))
        return
    options = TrackOptions(window_s=WINDOW_S)
    test = streams(TEST_SPEAKERS)
    results = {
        "minutes": round(sum(stream.minutes for stream in test), 1),
        "bare_windows": judge(test, None),
        "track": judge(test, options),
        "segments": judge_segments(test, options),
    }
    console.print_json(json.dumps(results))
    write_result("emotion_live", out, asdict(options), results, picture(results))


app = run(main)

if __name__ == "__main__":
    app()
