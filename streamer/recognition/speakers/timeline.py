"""Who speaks when in an open segment: its windows against the voices, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.audio.clock import seconds_from_samples
from streamer.models.silero import FRAME_SAMPLES
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.voices import Voices, groups, unit

CELL_SAMPLES: Final = 5 * FRAME_SAMPLES
"""160 ms: shorter than most words."""
SPEECH: Final = 0.5
"""Probability from which on sound is speech."""


@dataclass(frozen=True)
class Window:
    """A stretch of sound and the vector of its voice."""

    start_sample: int
    end_sample: int
    vector: Floats


@dataclass(frozen=True)
class Timeline:
    """Voices by cells of the session clock, from `first_cell` on."""

    first_cell: int
    voices: tuple[int, ...]
    """Indices: those that are known first, then new ones."""

    def at(self, start_sample: int, end_sample: int) -> int | None:
        """Whose most of that stretch is. None: there are no cells."""
        cells = self._cells(start_sample, end_sample)
        return max(dict.fromkeys(cells), key=cells.count) if cells else None

    def between(self, start_sample: int, end_sample: int) -> set[int]:
        """All that speak there."""
        return set(self._cells(start_sample, end_sample))

    def _cells(self, start_sample: int, end_sample: int) -> tuple[int, ...]:
        """Of what lies outside, the nearest one."""
        last = len(self.voices) - 1
        first = min(max(start_sample // CELL_SAMPLES - self.first_cell, 0), max(last, 0))
        end = -(-end_sample // CELL_SAMPLES) - self.first_cell
        return self.voices[first : max(first + 1, end)]


def timeline(
    windows: Sequence[Window],
    speech: Sequence[float],
    first_cell: int,
    voices: Voices,
    options: SpeakerOptions,
) -> Timeline:
    """
    Args:
        windows: of one segment, in order.
        speech: probability for each cell of it.
    """
    if not windows or not speech:
        return Timeline(first_cell, ())
    vectors = np.stack([window.vector for window in windows])
    is_speech = np.array(speech) >= SPEECH
    weights = _weights(windows, first_cell, len(speech))
    here, new = _who_may_speak(vectors, voices, options)
    while True:
        centres = [*unit(voices.means)[here], *(unit(found.sum(axis=0)) for found in new)]
        path = _path(weights @ (vectors @ np.stack(centres).T), is_speech, options)
        cells = np.bincount(path, is_speech, len(centres))[len(here) :]
        spoken_s = cells * seconds_from_samples(CELL_SAMPLES)
        own = _alone(windows, Timeline(first_cell, tuple(path)))
        # A voice that hardly speaks is none, nor is one that no window has to itself: where one
        # gives way to another, a window holds both and is like neither. But somebody does speak.
        doubtful = [
            at
            for at, seconds in enumerate(spoken_s)
            if seconds < options.new_ms / 1000 or len(here) + at not in own
        ]
        if len(centres) == 1 or not doubtful:
            indices = [*here, *range(len(voices), len(voices) + len(new))]
            return _in_order(Timeline(first_cell, tuple(indices[at] for at in path)), len(voices))
        new.pop(min(doubtful, key=lambda at: spoken_s[at]))


def learn(voices: Voices, windows: Sequence[Window], found: Timeline) -> None:
    """Windows in which one person speaks make their voice better known, or known at all."""
    for index, vectors in sorted(_alone(windows, found).items()):
        voices.learn(index, np.stack(vectors))


def _alone(windows: Sequence[Window], found: Timeline) -> dict[int, list[Floats]]:
    """Of each voice the vectors of the windows in which nobody else speaks."""
    alone: dict[int, list[Floats]] = {}
    for window in windows:
        speaking = found.between(window.start_sample, window.end_sample)
        if len(speaking) == 1:
            alone.setdefault(speaking.pop(), []).append(window.vector)
    return alone


def _who_may_speak(
    vectors: Floats, voices: Voices, options: SpeakerOptions
) -> tuple[list[int], list[Floats]]:
    """Indices of the voices that were heard before or are known and heard now, and groups of
    vectors that are like none of them, the largest first, as far as there is room."""
    here = set(voices.heard)
    least = np.array([options.same if at in here else options.known for at in range(len(voices))])
    new: list[Floats] = []
    for rows in groups(vectors, options.same):
        group = vectors[rows]
        alike = voices.means @ group.mean(axis=0) if len(voices) else np.zeros(0, np.float32)
        found = np.flatnonzero(alike >= least)
        if len(found):
            here.add(int(found[alike[found].argmax()]))
        else:
            new.append(group)
    new.sort(key=len, reverse=True)
    return sorted(here), new[: voices.room]


def _weights(windows: Sequence[Window], first_cell: int, n_cells: int) -> Floats:
    """How much each window says of each cell: most of those in its middle, and of the cells that
    no window covers the nearest one alone. [cells, windows], rows sum to 1."""
    middles = (np.arange(n_cells) + first_cell + 0.5) * CELL_SAMPLES
    starts = np.array([window.start_sample for window in windows])
    ends = np.array([window.end_sample for window in windows])
    reach = (ends - starts) / 2
    away = np.abs(middles[:, None] - (starts + ends) / 2)
    weights = np.maximum(0.0, 1 - away / reach)
    alone = weights.sum(axis=1) == 0
    weights[alone, (away - reach)[alone].argmin(axis=1)] = 1.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _path(scores: Floats, is_speech: npt.NDArray[np.bool_], options: SpeakerOptions) -> list[int]:
    """The voices, cell by cell, whose scores are best in sum, less what changes cost."""
    n_cells, n_voices = scores.shape
    scores = scores * (is_speech[:, None] * seconds_from_samples(CELL_SAMPLES))
    costs = np.where(is_speech, options.switch_cost, options.pause_switch_cost)
    best = scores[0]
    origins = np.zeros((n_cells, n_voices), np.intp)
    stay = np.arange(n_voices)
    for cell in range(1, n_cells):
        leader = int(best.argmax())
        change = best[leader] - costs[cell]
        origins[cell] = np.where(change > best, leader, stay)
        best = np.maximum(best, change) + scores[cell]
    path = [int(best.argmax())]
    for cell in range(n_cells - 1, 0, -1):
        path.append(int(origins[cell, path[-1]]))
    return path[::-1]


def _in_order(found: Timeline, n_known: int) -> Timeline:
    """New voices counted in the order in which they begin to speak."""
    order = [voice for voice in dict.fromkeys(found.voices) if voice >= n_known]
    rank = {voice: n_known + at for at, voice in enumerate(order)}
    return Timeline(found.first_cell, tuple(rank.get(voice, voice) for voice in found.voices))
