from __future__ import annotations

import pytest

from tests.streamer.transcript.written.sentences import written


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Call five five five one two three four.", "Call 555-1234."),
        ("Call four one five five five five one two three four.", "Call 415-555-1234."),
        ("Call four one five, five five five, one two three four.", "Call 415-555-1234."),
        ("One four one five five five five one two three four.", "1-415-555-1234."),
        ("Oh seven seven double four one.", "077441."),
        ("It is one two three, four five, six seven eight nine.", "It is 123-45-6789."),
        ("Nine, one, seven, four, zero, zero, two, nine, seven, five.", "917-400-2975."),
        ("2, six, nine, six, one.", "26961."),
        ("Eight one, four nine five three, four.", "814-9534."),
        ("Dial nine one one.", "Dial 911."),
        ("Room one oh one.", "Room 101."),
        ("Double oh seven.", "007."),
        ("Triple five.", "555."),
        (
            "Four one one one one one one one one one one one one one one one.",
            "4111-1111-1111-1111.",
        ),
        ("The code is 4 1 7 2.", "The code is 4172."),
    ],
)
def test_digits_one_by_one(said: str, expected: str) -> None:
    assert written(said) == expected


@pytest.mark.parametrize(
    "text",
    [
        "One two three go.",
        "One, two, three, four, five, six, seven, eight.",
        "Five, four, three, two, one.",
        "Two, four, six, eight, we appreciate.",
        "Five, six, two.",
        "Oh five.",
        "Oh five two.",
        "Three two.",
        "Double the five.",
    ],
)
def test_counting_and_exclamations_stay(text: str) -> None:
    assert written(text) == text
