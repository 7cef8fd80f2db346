from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion, initial_prompt
from streamer.models.llm.contract import LlmContext, LlmRequest


class ScriptedScorer:
    """Likes words by a list of prices; keeps what it was given."""

    def __init__(self, prices: dict[str, float] | None = None) -> None:
        self.prices = prices or {}
        self.asked: list[list[str]] = []

    def context(self, text: str = "") -> LlmContext:
        return LlmContext([], [text])

    def extend(self, context: LlmContext, text: str) -> None:
        context.cache.append(text)

    def score(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        self.asked.extend(list(request.texts) for request in requests)
        return [
            [sum(self.prices.get(word, -1.0) for word in text.split()) for text in request.texts]
            for request in requests
        ]


def fused(scorer: ScriptedScorer, llm: float, word: float, prompt: str = "") -> LlmFusion:
    return LlmFusion(scorer, FusionWeights(llm=llm, word=word), prompt)


@given(st.lists(st.builds(Candidate, st.text("ab ", max_size=9), st.floats(-90, 0)), min_size=1))
def test_without_weights_the_acoustics_decide(candidates: list[Candidate]) -> None:
    terms = fused(ScriptedScorer(), 0.0, 0.0).terms(candidates)
    assert [each.total for each in terms] == [candidate.logprob for candidate in candidates]


def test_the_score_is_log_linear() -> None:
    fusion = fused(ScriptedScorer({"sea": -2.0, "see": -9.0}), 0.5, 0.25)
    terms = fusion.terms([Candidate("the sea", -4.0), Candidate("the see", -3.0)])
    assert [each.total for each in terms] == pytest.approx([-4 - 1.5 + 0.5, -3 - 5 + 0.5])


def test_words_carry_their_leading_space_and_nothing_stays_nothing() -> None:
    scorer = ScriptedScorer()
    fused(scorer, 1.0, 0.0).terms([Candidate("a b", 0.0), Candidate("", 0.0)])
    assert scorer.asked == [[" a b", ""]]


def test_committed_words_extend_the_context() -> None:
    fusion = fused(ScriptedScorer(), 1.0, 0.0, "Ahoy.\n")
    fusion.append("one two")
    fusion.append("")
    fusion.append("three")
    assert fusion._context.cache == ["Ahoy.\n", " one two", " three"]


@pytest.mark.parametrize(
    ("context", "hot_words", "expected"),
    [
        ("", (), ""),
        ("  A talk. \n", (), "A talk.\n"),
        ("", ("Ada", "Wernher"), "Names and terms: Ada, Wernher.\n"),
        ("A talk.", ("Ada",), "Names and terms: Ada.\nA talk.\n"),
    ],
)
def test_the_initial_prompt(context: str, hot_words: tuple[str, ...], expected: str) -> None:
    assert initial_prompt(context, hot_words) == expected


class MarkScorer(ScriptedScorer):
    """A sentence goes on with probability a half, ends with a full stop or a question mark else."""

    def score(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        self.asked.extend(list(request.texts) for request in requests)
        after = {".": math.log(0.3), "?": math.log(0.2), "!": -99.0}
        return [[after.get(text[-1], 0.0) for text in each.texts] for each in requests]


def test_whether_a_sentence_is_over_is_asked_of_all_marks_that_end_one() -> None:
    scorer = MarkScorer()
    fusion = fused(scorer, 1.0, 0.0)
    assert fusion.sentence_over("so it is,") == pytest.approx(0.0)
    assert scorer.asked == [[" so it is", " so it is.", " so it is?", " so it is!"]]


@pytest.mark.parametrize("nats", [-99.0, 0.5])
def test_no_answer_is_quite_sure(nats: float) -> None:
    odds = fused(ScriptedScorer({"now.": nats, "now?": nats, "now!": nats}), 1.0, 0.0)
    assert 9 < abs(odds.sentence_over("now")) < 10


def test_another_prompt_keeps_what_was_said_last() -> None:
    fusion = fused(ScriptedScorer(), 1.0, 0.0, "Ahoy.\n")
    for number in range(100):
        fusion.append(f"word{number}")
    fusion.expect("Names.\n")
    prompt, said = fusion._context.cache
    assert prompt == "Names.\n"
    assert said.startswith(" word40 ")  # and a prompt still fits in front of it
    assert said.endswith(" word99")
