from __future__ import annotations

import pytest

from tests.streamer.transcript.written.sentences import written


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("On May twenty third.", "On May 23."),
        ("On May twenty-third, 2026.", "On May 23, 2026."),
        ("May second, two thousand twenty six.", "May 2, 2026."),
        ("June twenty, twenty twenty six.", "June 20, 2026."),
        ("The twenty second of May twenty twenty six.", "The 22nd of May 2026."),
        ("The fourth of July.", "The 4th of July."),
        ("June the fifth.", "June the 5th."),
        ("The eleventh of June.", "The 11th of June."),
        ("In June nineteen ninety.", "In June 1990."),
        ("The fifth of them.", "The fifth of them."),
    ],
)
def test_days(said: str, expected: str) -> None:
    assert written(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("It is twenty twenty six.", "It is 2026."),
        ("In nineteen oh five.", "In 1905."),
        ("Seventeen seventy six.", "1776."),
        ("Nineteen hundred and five.", "1,905."),
        ("In nineteen hundred and five.", "In 1905."),
        ("In two thousand and five he left.", "In 2005 he left."),
        ("Since two thousand.", "Since 2000."),
        ("In two thousand people.", "In 2,000 people."),
        ("Two thousand and five people left.", "2,005 people left."),
        ("The nineteen nineties, the nineties.", "The 1990s, the 90s."),
        ("The eighteen hundreds.", "The 1800s."),
        ("Fifteen sixteen.", "15 16."),
        ("Fifteen sixteen seventeen.", "15 16 17."),
        ("Twenty twenty twenty.", "20 20 20."),
    ],
)
def test_years(said: str, expected: str) -> None:
    assert written(said) == expected
