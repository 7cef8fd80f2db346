"""How the words of a session are spoken: what can be measured in the voice, without a model.

A word's loudness is told against the speaker's own running level, so that neither microphone nor
distance matters. How excited a segment sounds (its arousal) is told against the same speaker's
words before it, by the rule of D. Bone, C.-C. Lee and S. Narayanan (Robust unsupervised arousal
rating, IEEE Transactions on Affective Computing 5(2), 2014): each measured cue is scored by how
many of the words before it exceeds, and the scores are averaged. The cues are loudness and pitch;
`docs/emotion.md` tells why no more, and how sure that is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.loudness import FRAME_SAMPLES, level_dbfs
from streamer.audio.pitch import pitches_hz
from streamer.transcript.ledger import Arousal, Voice

_LEAST_FRAMES: Final = 3
"""Of 10 ms, that must be voiced for a word to have a pitch."""


@dataclass(frozen=True)
class VoiceOptions:
    level_words: int = 5
    """Words before a level is known, and loudness told."""
    known_words: int = 128
    """The newest words that others are measured against; about a minute of speech."""
    arousal_words: int = 16
    """Words before the segment, at least, for its arousal to be told."""
    sure_words: int = 6
    """As many words in the segment give it full confidence, if its cues agree."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """Of one word, which may have no pitch."""

    level_db: float
    pitch_hz: float | None


class VoiceMeter:
    """One session's. Used by the step's thread only."""

    def __init__(self, options: VoiceOptions) -> None:
        self._options = options
        self._before: deque[_Measured] = deque(maxlen=self._options.known_words)
        self._segment: list[_Measured] = []

    def measure(self, samples: Floats) -> Voice:
        """The voice of the next word that is committed.

        Args:
            samples: its sound, 16 kHz; what is too short for a word is not measured.
        """
        if len(samples) < FRAME_SAMPLES:
            return Voice(None, None)
        pitches = pitches_hz(samples)
        pitch_hz = float(np.median(pitches)) if len(pitches) >= _LEAST_FRAMES else None
        word = _Measured(level_dbfs(samples), pitch_hz)
        self._segment.append(word)
        newest = [*self._before, *self._segment][-self._options.known_words :]
        loudness_db = None
        if len(newest) >= self._options.level_words:
            level_db = float(np.median([one.level_db for one in newest]))
            loudness_db = round(word.level_db - level_db, 1)
        return Voice(loudness_db, None if pitch_hz is None else round(pitch_hz, 1))

    def close_segment(self) -> Arousal | None:
        """The arousal of the segment whose words were measured since the last; None while too few
        words were heard before it."""
        segment, self._segment = self._segment, []
        before = list(self._before)
        self._before.extend(segment)
        if not segment or len(before) < self._options.arousal_words:
            return None
        cues = (
            ([word.level_db for word in segment], [word.level_db for word in before]),
            (_pitches(segment), _pitches(before)),
        )
        scores = [standing(here, there) for here, there in cues if here and there]
        evidence = min(1.0, len(segment) / self._options.sure_words)
        agreement = 1 - float(np.std(scores))
        return Arousal(round(float(np.mean(scores)), 2), round(evidence * agreement, 2))


def standing(here: Sequence[float], there: Sequence[float]) -> float:
    """How values lie among others: from -1, if they are all below them, to 1.

    Args:
        here, there: at least one each.
    """
    ordered = np.sort(there)
    below, upto = (np.searchsorted(ordered, here, side) for side in ("left", "right"))
    return float(np.mean((below + upto) / len(ordered) - 1))


def _pitches(words: Sequence[_Measured]) -> list[float]:
    return [word.pitch_hz for word in words if word.pitch_hz is not None]
