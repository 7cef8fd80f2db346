from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from streamer.decoding.beam import BeamHypothesis
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.rescoring import (
    Choice,
    Judged,
    Pruning,
    explained,
    rank,
    undisputed_words,
)
from streamer.decoding.draft import Token
from streamer.decoding.words import RecognizedWord
from streamer.models.fusion.score import Candidate, Terms
from tests.speech_fakes import ToneTokenizer


class Preferring:
    """An LLM with a price for each text."""

    def __init__(self, prices: dict[str, float]) -> None:
        self.prices = prices
        self.asked: list[Candidate] = []

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        self.asked.extend(candidates)
        return [
            Terms(c.logprob, self.prices.get(c.text, 0.0), 0.0, 2.0 * c.hot_words, c.second)
            for c in candidates
        ]

    def append(self, text: str) -> None:
        raise NotImplementedError

    def sentence_over(self, open_text: str) -> float:
        raise NotImplementedError

    def expect(self, prompt: str) -> None:
        raise NotImplementedError


def hypothesis(text: str, logprob: float, second: float = 0.0) -> Judged:
    """Words of 100 samples."""
    words = [
        RecognizedWord(word, (Token(i, 0, -0.1),), 100 * i, 100 * i + 100)
        for i, word in enumerate(text.split())
    ]
    found = BeamHypothesis(tuple(t for word in words for t in word.tokens), logprob)
    return Judged(found, words, second)


def ranked(
    said: dict[str, float],
    prices: dict[str, float] | None = None,
    newest: int = 1_000,
    terms: Sequence[str] = (),
) -> list[Choice]:
    hot_words = HotWords(terms, ToneTokenizer())
    fusion = Preferring(prices or {})
    heard = [hypothesis(text, logprob) for text, logprob in said.items()]
    return rank(heard, newest, Pruning(8.0, 6.0), hot_words, fusion)


def texts(choices: Sequence[Choice]) -> list[str]:
    return [" ".join(word.text for word in choice.words) for choice in choices]


def test_the_sum_decides_the_order() -> None:
    said = {"the see": -1.0, "the sea": -2.0, "a sea": -3.0}
    assert texts(ranked(said)) == ["the see", "the sea", "a sea"]
    assert texts(ranked(said, {"the sea": 3.0})) == ["the sea", "the see", "a sea"]
    del said["a sea"]
    assert texts(ranked(said, {"the sea": 3.0})) == ["the sea", "the see"]


def test_both_ears_count_and_are_told_apart() -> None:
    heard = [hypothesis("the see", -1.0, -4.0), hypothesis("the sea", -2.0, -1.0)]
    nobody = HotWords((), ToneTokenizer())
    best, other = rank(heard, 1_000, Pruning(8.0, 6.0), nobody, Preferring({}))
    assert texts([best, other]) == ["the sea", "the see"]
    assert (best.terms.audio, best.terms.second, best.terms.total) == (-2.0, -1.0, -3.0)
    _, sea = explained([best, other])
    assert sea.decision is not None
    assert (sea.decision.audio, sea.decision.second) == (-1.0, 3.0)
    (alone,) = rank(heard, 1_000, Pruning(1.0, 0.0), nobody, Preferring({}))
    assert (alone.terms.audio, alone.terms.second) == (-2.0, -1.0)


def test_what_is_too_new_is_summed_over() -> None:
    said = {"the sea was": -2.0, "the sea is": -2.0, "a sea": -1.9}
    choices = ranked(said, newest=200)
    assert texts(choices) == ["the sea", "a sea"]
    assert choices[0].terms.audio == pytest.approx(-2.0 + math.log(2))


def test_marks_and_capitals_are_the_ears_to_decide() -> None:
    said = {"the sea.": -2.0, "The sea": -1.0, "the see": -1.5}
    choices = ranked(said, {"the sea.": 9.0})
    assert texts(choices) == ["The sea", "the see"]
    assert choices[0].terms.audio == pytest.approx(-1.0 + math.log1p(math.exp(-1.0)))


def test_figures_stay_figures_and_words_words() -> None:
    assert texts(ranked({"it was two": -1.0, "it was 2": -1.5, "it was to": -2.0})) == [
        "it was two",
        "it was to",
    ]
    assert texts(ranked({"it was 2": -1.0, "it was two": -1.5})) == ["it was 2"]
    assert len(ranked({"call two": -1.0, "call 2": -1.5}, terms=["2"])) == 2


def test_the_unlikely_is_left_out_but_for_what_is_expected() -> None:
    said = {"the sea": -1.0, "the see": -9.5, "the cee": -9.4}
    assert texts(ranked(said)) == ["the sea"]
    assert texts(ranked(said, terms=["cee"])) == ["the sea", "the cee"]


def test_a_word_is_explained_by_its_best_rival() -> None:
    said = {"the sea was calm": -1.0, "the see was calm": -2.0, "the cee was": -3.0}
    choices = ranked(said, {"the sea was calm": 0.75, "the see was calm": 0.25}, terms=["calm"])
    the, sea, was, calm = explained(choices)
    assert the.decision is was.decision is calm.decision is None
    assert sea.decision is not None
    assert (sea.decision.rival, sea.decision.audio, sea.decision.text) == ("see", 1.0, 0.5)
    assert sea.decision.hot_words == 0.0  # both have it
    (shorter,) = [c for c in choices if len(c.words) == 3]
    assert explained([choices[0], shorter])[1].decision is not None


def test_a_rival_may_end_sooner_or_later() -> None:
    the, sea = explained(ranked({"the sea": -1.0, "the": -2.0, "the sea was": -3.0}))
    assert the.decision is None
    assert sea.decision is not None
    assert (sea.decision.rival, sea.decision.audio) == ("", 1.0)


def test_alone_or_silent_there_is_nothing_to_explain() -> None:
    assert ranked({}) == []
    (only,) = ranked({"yes": -0.5})
    assert explained([only])[0].decision is None


@pytest.mark.parametrize(
    ("rivals", "undisputed"),
    [
        ({}, 3),
        ({"the sea is": -1.5}, 2),
        ({"the sea is": -5.0}, 3),  # too far behind
        ({"the see was": -2.9, "the sea is": -1.5}, 1),
        ({"a see was": -2.9, "the see was": -1.5}, 1),  # the oldest word stands soonest
        ({"the": -1.5}, 1),  # that nothing follows is a dispute too
        ({"the sea was calm": -1.5}, 3),
    ],
)
def test_a_word_stands_when_no_close_rival_disputes_it(
    rivals: dict[str, float], undisputed: int
) -> None:
    choices = ranked({"the sea was": -1.0} | rivals)
    # Margins of 1, 2 and 3 nats: the older a word, the closer its rivals must be.
    assert undisputed_words(choices, lambda word: word.end_sample / 100) == undisputed
