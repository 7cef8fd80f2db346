"""How wrong speaker labels are: diarization error, words of the wrong speaker, cpWER."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import jiwer
import numpy as np
import numpy.typing as npt

from benchmarks.quality.voices.mixtures import Turn

COLLAR_S: Final = 0.25
"""On either side of a turn's ends nothing is scored."""
_STEP_S: Final = 0.01

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Diarization:
    """Seconds of speech that were missed, made up, and given to somebody else."""

    spoken_s: float = 0.0
    missed_s: float = 0.0
    false_alarm_s: float = 0.0
    confused_s: float = 0.0

    def __add__(self, other: Diarization) -> Diarization:
        return Diarization(
            self.spoken_s + other.spoken_s,
            self.missed_s + other.missed_s,
            self.false_alarm_s + other.false_alarm_s,
            self.confused_s + other.confused_s,
        )

    @property
    def error_percent(self) -> float:
        """Missed, false and confused speech in percent of all speech."""
        wrong = self.missed_s + self.false_alarm_s + self.confused_s
        return 100 * wrong / max(self.spoken_s, 1e-9)


@dataclass(frozen=True)
class Diarized:
    """Of one conversation."""

    alone: Diarization
    """Where one person speaks, or nobody."""
    overlap: Diarization
    """Where several speak at once."""
    names: Mapping[str, str]
    """Of each label, which speaker it is taken for."""


def diarization(truth: Sequence[Turn], told: Sequence[Turn], seconds: float) -> Diarized:
    """By the usual definition: labels stand for the speakers with whom they share most, one to
    one; frames within a collar around the ends of true turns are left out."""
    spoken, heard = _masks(truth, seconds), _masks(told, seconds)
    scored = np.ones(_frames(seconds), bool)
    for turn in truth:
        for edge in (turn.start_s, turn.end_s):
            scored[_frames(max(0.0, edge - COLLAR_S)) : _frames(edge + COLLAR_S)] = False
    shared = {
        (label, name): float(np.sum(heard[label] & spoken[name] & scored))
        for label in heard
        for name in spoken
    }
    names = best_names(list(heard), list(spoken), shared)
    n_spoken = _count(spoken, scored)
    n_heard = _count(heard, scored)
    n_right = np.zeros(len(scored), int)
    for label, name in names.items():
        n_right += heard[label] & spoken[name]
    several = n_spoken > 1
    return Diarized(
        _errors(n_spoken, n_heard, n_right, scored & ~several),
        _errors(n_spoken, n_heard, n_right, scored & several),
        names,
    )


def best_names(
    labels: Sequence[str], names: Sequence[str], shared: Mapping[tuple[str, str], float]
) -> dict[str, str]:
    """One name for each label and one label for each name, as far as they go, so that they share
    most in sum."""
    few, many = sorted((list(labels), list(names)), key=len)
    by_label = few == list(labels)
    best: tuple[float, dict[str, str]] = (-1.0, {})
    for chosen in permutations(many, len(few)):
        pairs = dict(zip(few, chosen, strict=True))
        found = pairs if by_label else {label: name for name, label in pairs.items()}
        best = max(best, (sum(shared[pair] for pair in found.items()), found), key=lambda x: x[0])
    return best[1]


def word_errors(truth: Mapping[str, str], told: Mapping[str, str]) -> int:
    """Words that are wrong, left out or made up when each one's text is compared with that of the
    label that fits best (concatenated minimum-permutation). Texts are normalized before."""
    labels, names = list(told), list(truth)
    saved = {
        (label, name): float(
            _n_words(truth[name]) + _n_words(told[label]) - _edits(truth[name], told[label])
        )
        for label in labels
        for name in names
    }
    found = best_names(labels, names, saved)
    everything = sum(map(_n_words, [*truth.values(), *told.values()]))
    return everything - round(sum(saved[pair] for pair in found.items()))


def _n_words(text: str) -> int:
    return len(text.split())


def _edits(truth: str, told: str) -> int:
    if not truth or not told:
        return _n_words(truth) + _n_words(told)
    found = jiwer.process_words(truth, told)
    return int(found.substitutions + found.deletions + found.insertions)


def _errors(
    spoken: npt.NDArray[np.int_], heard: npt.NDArray[np.int_], right: npt.NDArray[np.int_], at: Mask
) -> Diarization:
    spoken, heard, right = spoken[at], heard[at], right[at]
    return Diarization(
        _STEP_S * float(spoken.sum()),
        _STEP_S * float(np.maximum(0, spoken - heard).sum()),
        _STEP_S * float(np.maximum(0, heard - spoken).sum()),
        _STEP_S * float((np.minimum(spoken, heard) - right).sum()),
    )


def _masks(turns: Sequence[Turn], seconds: float) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    for turn in turns:
        mask = masks.setdefault(turn.speaker, np.zeros(_frames(seconds), bool))
        mask[_frames(turn.start_s) : _frames(turn.end_s)] = True
    return masks


def _count(masks: Mapping[str, Mask], scored: Mask) -> npt.NDArray[np.int_]:
    return sum((mask.astype(int) for mask in masks.values()), np.zeros(len(scored), int))


def _frames(seconds: float) -> int:
    return round(seconds / _STEP_S)
