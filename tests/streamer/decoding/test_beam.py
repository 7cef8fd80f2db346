from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.beam import BeamHypothesis, BeamRequest, ScoreRequest
from streamer.decoding.draft import DraftRequest, Prefix, Token
from streamer.decoding.loop_guard import loop_start
from streamer.decoding.speech import SpeechModels
from tests.speech_fakes import ToneDecoder, ToneTokenizer, silence, spoken, tone_models
from tests.speech_models import Clip, attend


def ids(hypothesis: BeamHypothesis) -> list[int]:
    return [token.id for token in hypothesis.tokens]


def mean(hypothesis: BeamHypothesis) -> float:
    return hypothesis.logprob / (len(hypothesis.tokens) + 1)


def search(
    decoder: ToneDecoder, said: list[int], width: int = 4, budget: int = 20
) -> list[BeamHypothesis]:
    models = tone_models(decoder)
    audio = attend(models, np.append(spoken(said), silence(2_000)))
    return models.beam_search(BeamRequest(audio, Prefix(), width, 99.0, budget))


def test_rivals_come_in_the_order_of_their_likelihood() -> None:
    decoder = ToneDecoder(rivals={20: {21: 9.0, 22: 8.0}, 30: {31: 9.5}})
    found = search(decoder, [10, 20, 30])
    assert [ids(h) for h in found] == [[10, 20, 30], [10, 20, 31], [10, 21, 30], [10, 21, 31]]
    assert sum(token.logprob for token in found[0].tokens) > found[0].logprob  # the end counts too


class Capitals(ToneTokenizer):
    """20 and 21 are one word, but for a capital."""

    def letters(self, token: int) -> bytes:
        return super().letters(20 if token == 21 else token)


def test_hypotheses_differ_in_words_not_in_capitals() -> None:
    decoder = ToneDecoder(rivals={20: {21: 9.0, 22: 8.0}})
    models = replace(tone_models(decoder), tokenizer=Capitals())
    audio = attend(models, np.append(spoken([10, 20, 30]), silence(2_000)))
    for width in (2, 4):
        found = models.beam_search(BeamRequest(audio, Prefix(), width, 99.0, 20))
        assert [ids(h) for h in found[:2]] == [[10, 20, 30], [10, 22, 30]]
        assert not any(21 in ids(h) for h in found)


def test_loops_are_dropped() -> None:
    assert search(ToneDecoder(loops_on=20), [10, 20, 30]) == []


def test_a_word_that_is_said_again_and_again_is_a_hypothesis() -> None:
    said = [10] * 6
    assert [ids(h) for h in search(ToneDecoder(), said, width=1, budget=8)] == [said]


def test_what_does_not_finish_within_the_budget_is_no_hypothesis() -> None:
    said = [10, 20, 30, 40]
    assert search(ToneDecoder(), said, width=1, budget=3) == []
    assert [ids(h) for h in search(ToneDecoder(), said, width=1, budget=4)] == [said]


@given(
    st.lists(st.integers(3, 40), max_size=6),
    st.dictionaries(
        st.integers(3, 40), st.dictionaries(st.integers(41, 60), st.floats(0, 9.9)), max_size=10
    ),
    st.integers(1, 6),
)
def test_hypotheses_are_distinct_sorted_and_no_more_than_wanted(
    said: list[int], rivals: dict[int, dict[int, float]], width: int
) -> None:
    found = search(ToneDecoder(rivals=rivals), said, width)
    assert (
        1 <= len(found) <= width or loop_start([Token(each, 0, 0.0) for each in said]) is not None
    )
    means = [mean(h) for h in found]
    assert means == sorted(means, reverse=True)
    assert len({tuple(ids(h)) for h in found}) == len(found)


@pytest.mark.slow
def test_on_speech_a_beam_finds_the_greedy_text_or_a_likelier_one(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    for clip in clips[:5]:
        audio = attend(speech_models, clip.samples)
        draft = speech_models.draft(DraftRequest(audio, Prefix(), (), 60))
        found = speech_models.beam_search(BeamRequest(audio, Prefix(), 6, 8.0, 60))
        assert 1 <= len(found) <= 6
        greedy = [token.id for token in draft.tokens]
        likeliest = max(h.logprob for h in found)
        assert any(ids(h) == greedy for h in found) or likeliest > sum(
            token.logprob for token in draft.tokens
        )
        assert all(loop_start(h.tokens) is None for h in found)
        letters = [b"".join(map(speech_models.tokenizer.letters, ids(h))) for h in found]
        assert len(set(letters)) == len(letters)
        judged = speech_models.score(ScoreRequest(audio, Prefix(), [ids(h) for h in found]))
        for ours, theirs in zip(judged, found, strict=True):
            # 8 bits: processors without instructions for them round otherwise.
            assert ours.logprob == pytest.approx(theirs.logprob, abs=0.25)


@pytest.mark.parametrize("prefix", [Prefix(), Prefix((1, 10))])
def test_a_proposal_is_judged_as_the_beam_would(prefix: Prefix) -> None:
    models = tone_models(ToneDecoder(rivals={20: {21: 9.0, 22: 8.0}, 30: {31: 9.5}}))
    audio = attend(models, np.append(spoken([10, 20, 30]), silence(2_000)))
    found = models.beam_search(BeamRequest(audio, prefix, 4, 99.0, 20))
    judged = models.score(ScoreRequest(audio, prefix, [ids(h) for h in found]))
    for ours, theirs in zip(judged, found, strict=True):
        assert ids(ours) == ids(theirs)
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)
    assert models.score(ScoreRequest(audio, prefix, [])) == []
