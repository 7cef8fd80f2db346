from __future__ import annotations

import pytest

from streamer.recognition.words.tentative import without_full_stop
from streamer.transcript.ledger import Word, WordState


def word(text: str) -> Word:
    return Word(0, text, 160, 320, 0.5, WordState.TENTATIVE, 0)


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([], []),
        (["It", "rained."], ["It", "rained"]),
        (["It", "rained.", "We"], ["It", "rained.", "We"]),
        (["Really?"], ["Really?"]),
        (["the", "U.S."], ["the", "U.S."]),
        (["well..."], ["well..."]),
        (["."], ["."]),
    ],
)
def test_the_last_full_stop_is_hidden(texts: list[str], shown: list[str]) -> None:
    assert [word.text for word in without_full_stop([word(text) for text in texts])] == shown


def test_a_word_keeps_its_times_and_confidence() -> None:
    (shown,) = without_full_stop([word("rained.")])
    assert (shown.start_sample, shown.end_sample, shown.confidence) == (160, 320, 0.5)
