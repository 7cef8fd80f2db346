"""Conversations made of recorded speech: people take turns, with pauses between them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.common import Recording
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE

SHORTEST_TURN_S: Final = 1.5
LONGEST_TURN_S: Final = 15.0
LONGEST_PAUSE_S: Final = 1.0
_LEVEL_DBFS: Final = -26.0
"""Of each turn's speech; recordings differ by their microphones otherwise."""
_FRAME: Final = 160
_QUIET_DB: Final = -35.0
"""Below a clip's loud frames; that is a pause."""
_BREATH_S: Final = 0.5
"""Pauses shorter than this belong to the turn."""


@dataclass(frozen=True)
class Turn:
    """What one person says without a pause; times in seconds."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Conversation:
    """A recording with what is known of it."""

    name: str
    samples: Floats
    turns: tuple[Turn, ...]
    texts: Mapping[str, str]
    """All that each one says."""

    def speaker_at(self, seconds: float) -> str:
        """Whose turn it is, or was nearest."""
        turn = min(self.turns, key=lambda t: max(t.start_s - seconds, seconds - t.end_s))
        return turn.speaker


def conversation(
    name: str, clips: Mapping[str, Sequence[Recording]], seconds: float, seed: str
) -> Conversation:
    """People take turns at random until the time is over.

    Args:
        clips: of each speaker.
        seconds: about as much as it lasts.
    """
    chance = random.Random(seed)
    left = {speaker: chance.sample(list(some), len(some)) for speaker, some in clips.items()}
    pieces: list[Floats] = []
    turns: list[Turn] = []
    texts: dict[str, list[str]] = {speaker: [] for speaker in clips}
    at, speaker = 0, ""
    while at < seconds * SAMPLE_RATE:
        others = sorted(one for one in clips if one != speaker and left[one])
        if not others:
            break
        speaker = chance.choice(others)
        wanted = chance.uniform(SHORTEST_TURN_S, LONGEST_TURN_S) * SAMPLE_RATE
        said: list[Floats] = []
        while left[speaker] and (not said or sum(map(len, said)) < wanted / 2):
            clip = left[speaker].pop()
            sound = np.concatenate(clip.pieces())
            spoken = _spoken(sound)
            if not spoken or len(sound) > LONGEST_TURN_S * SAMPLE_RATE:
                continue
            first, last = spoken[0][0], spoken[-1][1]
            said.append(_levelled(sound[first:last]))
            start = at + sum(map(len, said[:-1])) - first
            turns += [
                Turn(speaker, (start + begin) / SAMPLE_RATE, (start + end) / SAMPLE_RATE)
                for begin, end in spoken
            ]
            texts[speaker].append(clip.text)
        pause = np.zeros(round(chance.uniform(0, LONGEST_PAUSE_S) * SAMPLE_RATE), np.float32)
        pieces += [*said, pause]
        at += sum(map(len, said)) + len(pause)
    heard = np.concatenate(pieces)
    # Digital silence is in no room.
    whole = heard + 1e-4 * np.random.default_rng(len(heard)).standard_normal(len(heard))
    return Conversation(
        name,
        np.asarray(whole, np.float32),
        tuple(turns),
        {one: " ".join(some) for one, some in texts.items()},
    )


def _spoken(sound: Floats) -> list[tuple[int, int]]:
    """Where there is speech, in samples, without long pauses."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-10)
    loud = np.flatnonzero(level > np.percentile(level, 95) + _QUIET_DB)
    spans: list[tuple[int, int]] = []
    for frame in loud.tolist():
        if spans and (frame * _FRAME - spans[-1][1]) < _BREATH_S * SAMPLE_RATE:
            spans[-1] = (spans[-1][0], (frame + 1) * _FRAME)
        else:
            spans.append((frame * _FRAME, (frame + 1) * _FRAME))
    return [span for span in spans if span[1] - span[0] > 0.1 * SAMPLE_RATE]


def _levelled(sound: Floats) -> Floats:
    rms = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))
    return np.asarray(
        np.clip(sound * (10 ** (_LEVEL_DBFS / 20) / max(rms, 1e-6)), -1, 1), np.float32
    )
