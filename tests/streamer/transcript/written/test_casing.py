from __future__ import annotations

import pytest

from streamer.models.moonshine.tokenizer import WORD_MARK, Tokenizer
from streamer.transcript.written.casing import SentenceCase
from tests.streamer.transcript.written.sentences import said, text_of

COMMON = {"and", "the", "it", "a", "so", "transcription", "will"}


def cased(*segments: str, names: tuple[str, ...] = ()) -> str:
    casing = SentenceCase(COMMON.__contains__, names)
    texts = []
    for segment in segments:
        words = [casing.take(word) for word in said(segment)]
        texts.append(text_of(words))
        casing.begin_segment()
    return " | ".join(texts)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("How well does a voicemail", "Transcription service do?"), "transcription service do?"),
        (("I went home,", "And slept."), "and slept."),
        (("I saw", "It's raining."), "it's raining."),
        (("I saw", "A man."), "a man."),
        (("I went home.", "and slept."), "And slept."),
        (("Is it?", "the end"), "The end"),
        (("I met", "Tekinter."), "Tekinter."),
        (("I met", "I'll go"), "I'll go"),
        (("and then", "NASA said"), "NASA said"),
        (("At 9 a.m.", "the end"), "the end"),
        (("In the U.S.", "The end"), "The end"),
        (("Mr.", "The end"), "the end"),
        (("Well...", "the end"), "the end"),
        (('He said "no."', '"the end"'), '"The end"'),
    ],
)
def test_a_capital_follows_the_sentence(segments: tuple[str, str], expected: str) -> None:
    assert cased(*segments) == f"{segments[0]} | {expected}"


def test_nothing_is_known_of_the_first_word() -> None:
    assert cased("the end") == "the end"
    assert cased("The end") == "The end"


def test_inside_a_segment_the_recognizer_knows_better() -> None:
    """There a capital without a full stop is rather a full stop that it missed."""
    assert cased("my list today The function") == "my list today The function"
    assert cased("requirements. the end") == "requirements. The end"
    assert cased("How? inquired the king. so") == "How? inquired the king. So"


def test_names_that_are_expected_keep_their_capitals() -> None:
    assert cased("I met", "Will there") == "I met | will there"
    assert cased("I met", "Will there", names=("Will Smith",)) == "I met | Will there"


def test_what_is_shown_is_what_would_be_committed() -> None:
    casing = SentenceCase(COMMON.__contains__)
    casing.take(said("home")[0])
    casing.begin_segment()
    assert text_of(casing.show(said("And so. it goes"))) == "and so. It goes"
    assert text_of([casing.take(word) for word in said("And so. it goes")]) == "and so. It goes"


def test_the_tokenizer_knows_what_is_mostly_written_in_lower_case() -> None:
    pieces = ["the", "London", "The", "god", "God", "london"]
    tokenizer = Tokenizer([f"{WORD_MARK}{piece}".encode() for piece in pieces])
    assert tokenizer.is_common("the")
    assert tokenizer.is_common("god")
    assert not tokenizer.is_common("london")
    assert not tokenizer.is_common("zebra")
