from __future__ import annotations

import pytest

from streamer.decoding.beam import BeamHypothesis
from streamer.decoding.decision.hot_words import MAX_PROPOSALS, HotWords
from streamer.decoding.draft import Token
from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import ASR_MODEL


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.read(Zoo().path(ASR_MODEL, "tokenizer.bin"))


def heard(tokenizer: Tokenizer, text: str) -> BeamHypothesis:
    return BeamHypothesis(tuple(Token(id_, 0, -1.0) for id_ in tokenizer.encode(text)), -9.0)


def proposed(tokenizer: Tokenizer, terms: list[str], *texts: str) -> list[str]:
    hot_words = HotWords(terms, tokenizer)
    found = hot_words.proposals([heard(tokenizer, text) for text in texts])
    return [tokenizer.decode(list(tokens)) for tokens in found]


def test_a_term_is_proposed_where_something_like_it_was_heard(tokenizer: Tokenizer) -> None:
    assert "The Higgs field, he said." in proposed(
        tokenizer, ["Higgs", "Kyiv"], "The hicks field, he said."
    )


def test_words_may_have_been_split_or_joined(tokenizer: Tokenizer) -> None:
    assert "We use PyTorch." in proposed(tokenizer, ["PyTorch"], "We use pie torch.")
    assert "I met Ada Lovelace." in proposed(tokenizer, ["Ada Lovelace"], "I met Adolovelace.")


def test_the_mark_behind_a_word_stays(tokenizer: Tokenizer) -> None:
    assert "Is it Kyiv?" in proposed(tokenizer, ["Kyiv"], "Is it Kiev?")


def test_what_sounds_otherwise_or_is_there_already_is_left_alone(tokenizer: Tokenizer) -> None:
    assert proposed(tokenizer, ["Higgs"], "A calm morning by the sea.") == []
    assert proposed(tokenizer, ["Higgs"], "higgs") == []
    assert proposed(tokenizer, ["Higgs"], "hicks") == ["Higgs"]
    assert proposed(tokenizer, ["Higgs"], "hicks", "Higgs") == []


def test_a_hundred_terms_do_not_flood_a_decision(tokenizer: Tokenizer) -> None:
    terms = [f"Marl{vowel}{tail}" for vowel in "aeiou" for tail in ("n", "m", "k", "t")]
    assert len(proposed(tokenizer, terms, "Marlon met Marlin.")) == MAX_PROPOSALS


def test_the_most_similar_are_proposed_first(tokenizer: Tokenizer) -> None:
    found = proposed(tokenizer, ["Merlin", "Marlene", "Marlin"], "Marlyn came.")
    assert found[:2] == ["Marlin came.", "Marlene came."]
    far = [f"Marl{first}{last}" for first in "aeou" for last in "kmt"]
    flooded = proposed(tokenizer, [*far, "Marlin"], "Marlyn came.")
    assert (len(flooded), flooded[0]) == (MAX_PROPOSALS, "Marlin came.")


def test_terms_are_counted_whole_without_case_and_marks(tokenizer: Tokenizer) -> None:
    hot_words = HotWords(["Ada Lovelace", "Kyiv"], tokenizer)
    assert hot_words.count("ADA lovelace, of kyiv. Kyivan Ada") == 2
    assert hot_words.count("I met Ada Lovelace") == 1
    assert not HotWords(["", "?"], tokenizer)


def test_other_words_may_be_expected_later(tokenizer: Tokenizer) -> None:
    hot_words = HotWords(["Ada"], tokenizer)
    hot_words.expect(["Kyiv"])
    assert (hot_words.count("Ada"), hot_words.count("Kyiv.")) == (0, 1)
    hot_words.expect([])
    assert not hot_words
