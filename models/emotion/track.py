"""The emotion of a live stream: window predictions in, a label that does not flap out.

Pure bookkeeping on probabilities; it runs no model and holds a bounded number of windows.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamer.audio.clock import SAMPLE_RATE

if TYPE_CHECKING:  # the track itself needs neither numpy nor ONNX Runtime
    from streamer.models.emotion.classifier import EmotionScores

UNKNOWN: Final = "unknown"
_FLOOR: Final = 1e-6
"""A probability below this is raised to it, so that one window cannot veto a class for ever."""


@dataclass(frozen=True)
class TrackOptions:
    """How the track smooths and when it keeps silent; the defaults were chosen on dev speakers."""

    sample_rate: int = SAMPLE_RATE
    window_s: float = 3.0
    """How much audio a prediction is about, where `update` does not say."""
    half_life_s: float = 1.0
    """After this much audio the older predictions weigh half."""
    unknown_below: float = 0.40
    """With the likeliest class below this the label is `unknown`."""
    switch_margin: float = 0.15
    """A new label must lead the one held by this much (hysteresis)."""
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
        if not 0 <= self.unknown_below <= 1 or not 0 <= self.switch_margin <= 1:
            raise ValueError("unknown_below and switch_margin must lie between 0 and 1")


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
        self, scores: EmotionScores, end_sample: int, start_sample: int | None = None
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
        self._label = self._steady_label(self._smooth)
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
        best = max(probs, key=lambda name: probs[name])
        return LiveEmotion(best if probs[best] >= self._options.unknown_below else UNKNOWN, probs)

    def prune(self, before_sample: int) -> None:
        """Drops windows that end at or before `before_sample`."""
        while self._windows and self._windows[0].end <= before_sample:
            self._windows.popleft()

    def reset(self) -> None:
        """Forgets everything, as for a new speaker or stream."""
        self._windows.clear()
        self._smooth, self._label = {}, UNKNOWN

    def _steady_label(self, probs: Mapping[str, float]) -> str:
        """The label held, or a new one that leads it clearly."""
        best = max(probs, key=lambda name: probs[name])
        threshold, margin = self._options.unknown_below, self._options.switch_margin
        if self._label == UNKNOWN:
            return best if probs[best] >= threshold else UNKNOWN
        if best == self._label:
            # Half the margin below the threshold, so that a label at its edge does not blink.
            return best if probs[best] >= threshold - margin / 2 else UNKNOWN
        if probs[best] >= threshold and probs[best] - probs[self._label] >= margin:
            return best
        return self._label if probs[self._label] >= threshold - margin / 2 else UNKNOWN


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
