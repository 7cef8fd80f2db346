from __future__ import annotations

import numpy as np
import pytest

from benchmarks.research.emotion_rooms import height_db, heights
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import Samples


def spoken(room: float, loud: float = 0.2) -> Samples:
    """A second of voice and a second of pause, in a room."""
    rng = np.random.default_rng(0)
    at = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    voice = loud * np.sin(2 * np.pi * 500 * at) * (at < 1)
    return np.asarray(voice + room * rng.standard_normal(len(at)), np.float32)


def test_a_louder_voice_stands_higher_above_the_same_room() -> None:
    soft, loud = height_db(spoken(0.01)), height_db(spoken(0.01, loud=2.0))
    assert loud - soft == pytest.approx(20, abs=1)


def test_the_microphones_gain_does_not_matter() -> None:
    assert height_db(np.float32(0.01) * spoken(0.01)) == pytest.approx(
        height_db(spoken(0.01)), abs=0.1
    )


def test_rumble_does_not_count() -> None:
    at = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    rumble = (0.3 * np.sin(2 * np.pi * 40 * at)).astype(np.float32)
    assert height_db(spoken(0.02) + rumble) == pytest.approx(height_db(spoken(0.02)), abs=1)


def test_the_median_is_told() -> None:
    found = heights([spoken(0.1), spoken(0.01), spoken(0.001)])
    assert found["clips"] == 3
    assert found["median_db"] == pytest.approx(height_db(spoken(0.01)), abs=0.1)
