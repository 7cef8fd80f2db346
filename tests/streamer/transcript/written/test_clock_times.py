from __future__ import annotations

import pytest

from tests.streamer.transcript.written.sentences import written


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("We meet at ten thirty.", "We meet at 10:30."),
        ("We meet at ten thirty p.m. tomorrow.", "We meet at 10:30 p.m. tomorrow."),
        ("Ten p m, or nine am.", "10 p.m., or 9 a.m."),
        ("It ends at five PM.", "It ends at 5 p.m."),
        ("At nine ten.", "At 9:10."),
        ("Until five oh five.", "Until 5:05."),
        ("At two fifteen, and nine thirty tomorrow.", "At 2:15, and 9:30 tomorrow."),
        ("It's half past ten.", "It's 10:30."),
        ("At a quarter to one.", "At 12:45."),
        ("At half past three o'clock.", "At 3:30."),
        ("A quarter past six.", "6:15."),
        ("Twenty past six, ten minutes past six.", "6:20, 6:10."),
        ("Twelve o'clock, five o'clock.", "12 o'clock, 5 o'clock."),
        ("It starts at 9 a.m. today.", "It starts at 9 a.m. today."),
        ("The ten thirty train.", "The 10:30 train."),
    ],
)
def test_times_of_day(said: str, expected: str) -> None:
    assert written(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("I am ten.", "I am 10."),
        ("Half of ten men.", "Half of 10 men."),
        ("Ten to five.", "10 to five."),
        ("Eleven twelve thirteen.", "11 12 13."),
        ("A quarter of a mile.", "A quarter of a mile."),
        ("From ten to twenty.", "From 10 to 20."),
    ],
)
def test_what_only_looks_like_a_time(said: str, expected: str) -> None:
    assert written(said) == expected
