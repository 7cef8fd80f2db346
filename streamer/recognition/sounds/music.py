"""Where music begins and ends, from how likely each moment is music."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.sounds.classifier import AHEAD_FRAMES, KINDS
from streamer.models.sounds.features import HOP_SAMPLES
from streamer.transcript.events import SoundHeard

_MUSICAL = [KINDS.index(kind) for kind in ("singing", "music")]


@dataclass(frozen=True)
class SoundOptions:
    """The thresholds were chosen on development clips."""

    block_ms: float = 1_000
    """Sound that goes through the classifier at once."""
    window_ms: float = 2_000
    """Sound over which probabilities are averaged; so long must music last to be told of."""
    begins: float = 0.97
    """From this mean on there is music."""
    ends: float = 0.3
    """Up to this mean there is none any more."""


class Music:
    """Of a stretch of unbroken sound."""

    def __init__(self, start_sample: int, options: SoundOptions) -> None:
        """`start_sample`: where the sound begins."""
        self._options = options
        self._start = start_sample
        self._next = start_sample - AHEAD_FRAMES * HOP_SAMPLES
        """Of the next frame that is judged."""
        self._window = samples_from_ms(options.window_ms) // HOP_SAMPLES
        self._newest = np.zeros(self._window, np.float32)
        self._since: int | None = None

    def judge(self, probabilities: Floats) -> Iterator[SoundHeard]:
        """`probabilities [frames, 3]`: what the classifier said next. Tells what they change."""
        for mean in self._means(probabilities[:, _MUSICAL].max(axis=1)):
            self._next += HOP_SAMPLES
            # As if all of it were music, or none.
            share = round(mean * self._window) * HOP_SAMPLES
            if self._since is None and mean >= self._options.begins:
                self._since = max(self._start, self._next - share)
                yield SoundHeard("music", self._since)
            elif self._since is not None and mean <= self._options.ends:
                began, self._since = self._since, None
                end = self._next - self._window * HOP_SAMPLES + share
                yield SoundHeard("music", began, max(began, end))

    def _means(self, likely: Floats) -> list[float]:
        """Over the window that ends with each frame."""
        n_before = max(0, (self._start - self._next) // HOP_SAMPLES)
        likely[:n_before] = 0
        known = np.concatenate([self._newest, likely])
        self._newest = known[-self._window :]
        sums = np.cumsum(known, dtype=np.float64)
        means = (sums[self._window :] - sums[: -self._window]) / self._window
        rounded: list[float] = np.round(means, 6).tolist()  # however many frames came at once
        return rounded

    def stop(self) -> Iterator[SoundHeard]:
        """The sound breaks off here: so does its music."""
        if self._since is not None:
            yield SoundHeard("music", self._since, self._next)
            self._since = None
