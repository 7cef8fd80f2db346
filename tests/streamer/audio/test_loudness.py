from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.loudness import SILENCE_DBFS, level_dbfs
from tests.fakes import silence, tone


def test_the_level_of_a_sine() -> None:
    # An amplitude of 0.3 has a mean square of 0.045.
    assert level_dbfs(tone(0.5)) == pytest.approx(10 * np.log10(0.045), abs=0.4)


def test_twice_the_amplitude_is_6_db() -> None:
    assert level_dbfs(2 * tone(0.5)) - level_dbfs(tone(0.5)) == pytest.approx(6.02, abs=0.01)


def test_silence_beside_a_word_does_not_count() -> None:
    timed_badly = np.concatenate([silence(0.1), tone(0.3), silence(0.1)])
    assert level_dbfs(timed_badly) == pytest.approx(level_dbfs(tone(0.3)), abs=0.05)


def test_silence_has_a_floor() -> None:
    assert level_dbfs(silence(0.5)) == SILENCE_DBFS
