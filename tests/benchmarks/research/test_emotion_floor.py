from __future__ import annotations

import numpy as np
import pytest

from benchmarks.research.emotion_floor import FLOORS, some_of_each
from benchmarks.research.emotion_rooms import height_db
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.train.emotion.data import Clip
from tests.benchmarks.research.test_emotion_rooms import spoken


@pytest.mark.parametrize("name", FLOORS)
def test_rooms_that_differ_sound_alike_above_the_floor(name: str) -> None:
    floor = FLOORS[name]
    noisy, clean = spoken(0.003), spoken(0.0001)
    assert height_db(clean) - height_db(noisy) > 25
    assert height_db(floor.under(clean)) - height_db(floor.under(noisy)) < 2


@pytest.mark.parametrize("name", FLOORS)
def test_the_floor_lies_as_far_below_a_soft_voice_as_below_a_loud_one(name: str) -> None:
    floor, clip = FLOORS[name], spoken(0.01)
    for gain in (0.01, 1.0):
        noise = floor.under(gain * clip) - gain * clip
        below_db = 10 * np.log10(np.var(gain * clip) / np.var(noise))
        assert below_db == pytest.approx(floor.below_db, abs=0.1)


def test_as_many_clips_of_each_emotion_are_drawn() -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    clips = [Clip(silence, label, "a") for label in (0, 0, 0, 3, 3, 5)]
    assert sorted(clip.label for clip in some_of_each(clips, 2)) == [0, 0, 3, 3, 5]
