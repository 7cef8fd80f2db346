"""The emotion of a live stream: window predictions in, a label that does not flap out.

Pure bookkeeping on probabilities; it runs no model and holds a bounded number of windows.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from streamer.audio.clock import SAMPLE_RATE

UNKNOWN: Final = "unknown"
NEUTRAL: Final = "neutral"
SHOWN_FROM: Final = 0.8
"""For a model that does not say from what probability on its emotions may be shown."""
_FLOOR: Final = 1e-6
"""A probability below this is raised to it, so that one window cannot veto a class for ever."""


class Scores(Protocol):
    """Probabilities of the classes; they sum to 1."""

    @property
    def probs(self) -> dict[str, float]: ...


@dataclass(frozen=True)
class TrackOptions:
    """How the track smooths and when it keeps silent; the defaults were chosen on dev speakers."""

    sample_rate: int = SAMPLE_RATE
    window_s: float = 3.0
    """How much audio a prediction is about, where `update` does not say."""
    half_life_s: float = 1.0
    """After this much audio the older predictions weigh half."""
    unknown_below: float = 0.40
    """If `neutral` is the likeliest class and below this the label is `unknown`."""
    shown_from: float = SHOWN_FROM
    """Any other class is shown from this on, else the label is `unknown`: calm speech that is
    called angry is worse than no label."""
    shown_from_of: Mapping[str, float] = field(default_factory=dict)
    """Classes that calm speech is taken for oftener or less often than for others, and from what
    on they are shown instead."""
    hold_margin: float = 0.10
    """A label that is shown stays while it is the likeliest and this much below what it needed."""
    forget_after_s: float = 8.0
    """After a gap this long (silence, a pause) smoothing starts afresh."""
    keep_s: float = 120.0
    """How long windows stay available to `segment`."""
    max_windows: int = 1_024
    """Bound on the windows kept, whatever the hop."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "window_s", "half_life_s", "forget_after_s", "keep_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if self.max_windows < 1:
            raise ValueError("max_windows must be at least 1")
        for name in ("unknown_below", "shown_from", "hold_margin"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1")
        if not all(0 <= value <= 1 for value in self.shown_from_of.values()):
            raise ValueError("shown_from_of must lie between 0 and 1")


@dataclass(frozen=True)
class LiveEmotion:
    """What to show: a class or `unknown`, and the probabilities behind it.

    `probs` sums to 1, or is empty if nothing was heard.
    """

    label: str
    probs: dict[str, float]


@dataclass(frozen=True)
class _Window:
    start: int
    end: int
    logs: dict[str, float]


class EmotionTrack:
    """One stream's emotion. Not thread-safe: it belongs to one session."""

    def __init__(self, options: TrackOptions | None = None) -> None:
        self._options = options or TrackOptions()
        self._windows: deque[_Window] = deque(maxlen=self._options.max_windows)
        self._smooth: dict[str, float] = {}
        self._label = UNKNOWN

    def __len__(self) -> int:
        """Windows kept."""
        return len(self._windows)

    def update(
        self, scores: Scores, end_sample: int, start_sample: int | None = None
    ) -> LiveEmotion:
        """Takes in one window's scores.

        Args:
            scores: of the window that ends at `end_sample`.
            end_sample: on the session's clock, above that of the last update.
            start_sample: where the window began; None stands for `window_s` before its end.

        Raises:
            ValueError: time does not move on, the window is empty, or the classes changed.
        """
        opts = self._options
        start = start_sample
        if start is None:
            start = max(0, end_sample - round(opts.window_s * opts.sample_rate))
        if start >= end_sample:
            raise ValueError(f"the window from {start} to {end_sample} is empty")
        last = self._windows[-1].end if self._windows else None
        if last is not None and end_sample <= last:
            raise ValueError(f"the window ends at {end_sample}, the one before it at {last}")
        if self._smooth and scores.probs.keys() != self._smooth.keys():
            raise ValueError("the classes differ from those of the window before")
        gap_s = math.inf if last is None else (end_sample - last) / opts.sample_rate
        if gap_s > opts.forget_after_s:
            self._smooth, self._label = dict(scores.probs), UNKNOWN
        else:
            old = 0.5 ** (gap_s / opts.half_life_s)
            self._smooth = {
                name: old * self._smooth[name] + (1 - old) * p for name, p in scores.probs.items()
            }
        self._windows.append(_Window(start, end_sample, _logs(scores.probs)))
        self.prune(end_sample - round(opts.keep_s * opts.sample_rate))
        self._label = shown_label(self._smooth, opts, held=self._label)
        return LiveEmotion(self._label, dict(self._smooth))

    def segment(self, start_sample: int, end_sample: int) -> LiveEmotion:
        """The emotion of a stretch of audio: windows averaged by how much of it they cover.

        The answer may change while windows that reach into the stretch still come in.

        Args:
            start_sample, end_sample: the stretch, on the session's clock.

        Raises:
            ValueError: the stretch is empty.
        """
        if end_sample <= start_sample:
            raise ValueError(f"the segment from {start_sample} to {end_sample} is empty")
        overlaps = [
            (min(w.end, end_sample) - max(w.start, start_sample), w.logs) for w in self._windows
        ]
        probs = _weighted_mean((share, logs) for share, logs in overlaps if share > 0)
        if not probs:
            return LiveEmotion(UNKNOWN, {})
        return LiveEmotion(shown_label(probs, self._options), probs)

    def prune(self, before_sample: int) -> None:
        """Drops windows that end at or before `before_sample`."""
        while self._windows and self._windows[0].end <= before_sample:
            self._windows.popleft()

    def reset(self) -> None:
        """Forgets everything, as for a new speaker or stream."""
        self._windows.clear()
        self._smooth, self._label = {}, UNKNOWN


def shown_label(probs: Mapping[str, float], options: TrackOptions, held: str = UNKNOWN) -> str:
    """The likeliest class if that is sure enough, else `unknown`; never another class.

    Args:
        probs: of the classes, at least one.
        options: how sure is sure enough.
        held: the label that is shown now.
    """
    best = max(probs, key=lambda name: probs[name])
    needed = options.shown_from_of.get(best, options.shown_from)
    if best == NEUTRAL:
        needed = options.unknown_below
    if best == held:
        needed -= options.hold_margin
    return best if probs[best] >= needed else UNKNOWN


def _logs(probs: Mapping[str, float]) -> dict[str, float]:
    return {name: math.log(max(p, _FLOOR)) for name, p in probs.items()}


def _weighted_mean(windows: Iterable[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    """Geometric mean made to sum to 1; empty without windows."""
    total: dict[str, float] = {}
    weight = 0
    for share, logs in windows:
        weight += share
        for name, value in logs.items():
            total[name] = total.get(name, 0.0) + share * value
    if not total:
        return {}
    top = max(total.values())
    raw = {name: math.exp((value - top) / weight) for name, value in total.items()}
    norm = sum(raw.values())
    return {name: value / norm for name, value in raw.items()}
