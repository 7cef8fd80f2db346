from __future__ import annotations

import pytest

from streamer.transcript.written.options import WritingOptions
from streamer.transcript.written.profanity import is_profane
from tests.streamer.transcript.written.sentences import written


@pytest.mark.parametrize("word", ["fuck", "motherfucking", "bullshit", "assholes", "bitch's"])
def test_swear_words(word: str) -> None:
    assert is_profane(word)


@pytest.mark.parametrize(
    "word",
    ["", "scunthorpe", "pass", "class", "cocktail", "dickens", "shitake", "hello", "prickly"],
)
def test_words_that_hold_one_are_none(word: str) -> None:
    assert is_profane(word) == (word == "shitake")


def test_marks_stay() -> None:
    filtered = WritingOptions(profanity_filter=True)
    assert written('What the fuck, "Bullshit!" twenty', filtered) == 'What the ****, "****!" twenty'
