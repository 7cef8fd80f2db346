from __future__ import annotations

import numpy as np
import pytest

from benchmarks.turns.pitch import pitch_fall
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE


def voice(pitch_hz: Floats) -> Floats:
    """A buzz of that pitch, sample by sample."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    harmonics = [np.sin(k * phase) / k for k in range(1, 6)]
    buzz: Floats = (0.1 * np.sum(harmonics, axis=0)).astype(np.float32)
    return buzz


def glide(start_hz: float, end_hz: float) -> Floats:
    """A second that stays, a fifth of a second that goes elsewhere, in octaves a second."""
    level = np.full(SAMPLE_RATE, start_hz)
    return np.concatenate([level, np.geomspace(start_hz, end_hz, SAMPLE_RATE // 5)])


@pytest.mark.parametrize("start_hz", [110.0, 220.0])
def test_the_end_is_compared_with_what_came_before(start_hz: float) -> None:
    down = pitch_fall(voice(glide(start_hz, start_hz * 0.75)))
    up = pitch_fall(voice(glide(start_hz, start_hz * 1.25)))
    level = pitch_fall(voice(glide(start_hz, start_hz)))
    assert down is not None
    assert up is not None
    assert 2 < down < 5  # 5 semitones over the whole glide, of which the end is a part
    assert -4 < up < -2
    assert level == pytest.approx(0, abs=0.1)


def test_an_octave_is_an_error_of_the_tracker() -> None:
    creak = np.concatenate([np.full(SAMPLE_RATE, 200.0), np.full(SAMPLE_RATE // 5, 100.0)])
    assert pitch_fall(voice(creak)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 1.5])
def test_without_voice_there_is_no_fall(seconds: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE))
    assert pitch_fall(noise.astype(np.float32)) is None
    assert pitch_fall(np.zeros(round(seconds * SAMPLE_RATE), np.float32)) is None
