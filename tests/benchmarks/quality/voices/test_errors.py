from __future__ import annotations

import pytest

from benchmarks.quality.voices.errors import COLLAR_S, diarization, word_errors
from benchmarks.quality.voices.mixtures import Turn

TRUTH = (Turn("ada", 0.0, 4.0), Turn("bob", 5.0, 9.0))
SCORED_S = 8.0 - 4 * COLLAR_S
"""What the collars leave of both turns."""


def test_labels_stand_for_whom_they_share_most_with() -> None:
    found = diarization(TRUTH, (Turn("1", 0.0, 4.0), Turn("0", 5.0, 9.0)), 10.0)
    assert found.names == {"1": "ada", "0": "bob"}
    assert found.alone.error_percent == 0
    assert found.alone.spoken_s == pytest.approx(SCORED_S, abs=0.02)


def test_missed_made_up_and_confused_speech_are_told_apart() -> None:
    told = (Turn("0", 0.0, 3.0), Turn("1", 5.0, 7.0), Turn("0", 7.0, 9.6))
    found = diarization(TRUTH, told, 10.0).alone
    assert found.missed_s == pytest.approx(1 - COLLAR_S, abs=0.02)
    assert found.confused_s == pytest.approx(2 - COLLAR_S, abs=0.02)
    assert found.false_alarm_s == pytest.approx(0.6 - COLLAR_S, abs=0.02)


def test_overlap_is_scored_apart() -> None:
    truth = (Turn("ada", 0.0, 6.0), Turn("bob", 4.0, 10.0))
    found = diarization(truth, (Turn("0", 0.0, 5.0), Turn("1", 5.0, 10.0)), 10.0)
    assert found.alone.error_percent == 0
    assert found.overlap.spoken_s == pytest.approx(2 * (2 - 2 * COLLAR_S), abs=0.03)
    assert found.overlap.error_percent == pytest.approx(50, abs=1)


@pytest.mark.parametrize(
    ("told", "errors"),
    [
        ({"1": "how are you", "0": "fine"}, 0),
        ({"0": "how are", "1": "you fine"}, 2),
        ({"0": "how are you fine"}, 2),
        ({"0": "how are you", "1": "fine", "2": "well"}, 1),
        ({}, 4),
    ],
)
def test_words_of_the_wrong_speaker_are_wrong(told: dict[str, str], errors: int) -> None:
    assert word_errors({"ada": "how are you", "bob": "fine"}, told) == errors
