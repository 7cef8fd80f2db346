from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.decision.agreement import AgreementOptions, TentativeWord
from streamer.decoding.decision.fused_commit import FusedOptions, FusedRule, OpenWindow
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.draft import Prefix, Token
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import SpeechModels
from streamer.decoding.words import RecognizedWord
from streamer.models.fusion.score import Candidate, Terms
from tests.speech_fakes import (
    GAP_SAMPLES,
    WORD_SAMPLES,
    PreferringFusion,
    ToneDecoder,
    text,
    tone_models,
)
from tests.speech_models import attend
from tests.streamer.decoding.segments import HOP, START, Stream, tones


def rule(options: FusedOptions) -> tuple[FusedRule, SpeechModels]:
    models = tone_models()
    hot_words = HotWords((), models.tokenizer)
    return FusedRule(models, PreferringFusion(""), hot_words, options, START), models


def window(models: SpeechModels, samples: Floats) -> OpenWindow:
    """Nothing of it is committed."""
    end = START + len(samples)
    audio = attend(models, samples)
    return OpenWindow(audio, Prefix(), models.tokenizer, START, end, START, 20)


def standing(n_words: int) -> list[TentativeWord]:
    """Words that have stood from the segment's start."""
    word = RecognizedWord("w10", (Token(10, 0, -0.1),), START, START)
    return [TentativeWord(word, START)] * n_words


def test_it_decides_when_the_drafts_agree_on_something_and_not_too_often() -> None:
    made, models = rule(FusedOptions(every_ms=1_000, guard_ms=100))
    agreement = AgreementOptions(agree_ms=0)
    samples = tones([10, 11, 12])
    later = START + len(samples)
    assert later >= START + 16_000
    assert [made.is_due(standing(2), START + 16 * ms, agreement) for ms in (999, 1_000)] == [
        False,
        True,
    ]
    assert not made.is_due(standing(1), later, agreement)  # the last word is never agreed on
    made.ask(window(models, samples))
    assert [made.is_due(standing(2), later + 16 * ms, agreement) for ms in (999, 1_000)] == [
        False,
        True,
    ]


def test_a_word_that_nothing_follows_is_shown_but_not_chosen() -> None:
    made, models = rule(FusedOptions(guard_ms=100))
    for said, chosen in (([10], 0), ([10, 11], 1)):
        decision = made.decide(made.ask(window(models, tones(said))))
        assert decision is not None
        assert [word.text for word in decision.words] == text(said).split()
        assert (decision.n_chosen, decision.n_committed) == (chosen, chosen)


def test_the_llm_chooses_among_what_the_acoustics_leave_open() -> None:
    said = [10, 20, 30, 40, 50, 60, 70, 80]
    rivals = {30: {31: 9.0, 32: -5.0}}
    for favourite, expected in (("w30", "w30"), ("w31", "w31"), ("w32", "w30")):
        fusion = PreferringFusion(favourite)
        stream = Stream(tone_models(ToneDecoder(rivals=rivals)), fusion=fusion)
        heard = stream.listen(tones(said)).split()
        # What the acoustics rule out (w32) the LLM is not even asked about.
        assert heard == text(said).replace("w30", expected).split()
        assert all(len(set(texts)) == len(texts) > 1 for texts in fusion.asked)
        asked = {word for texts in fusion.asked for one in texts for word in one.split()}
        assert {"w30", "w31"} <= asked
        assert "w32" not in asked
        assert " ".join(fusion.appended).split() == heard


class Torn(PreferringFusion):
    """Prefers its word, but not by enough to commit it at once."""

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        found = super().terms(candidates)
        return [replace(terms, audio=0.0, text=min(terms.text, 0.4)) for terms in found]


def fifth_words(stream: Stream) -> tuple[list[str], list[str]]:
    """The fifth word at each step, while it is tentative and once it is committed."""
    open_words, committed = [], []
    for _ in stream.hops(tones(list(range(10, 40)))):
        behind = 4 - len(stream.committed)
        if behind < 0:
            committed.append(stream.committed[4].text)
        elif behind < len(stream.segment.tentative):
            open_words.append(stream.segment.tentative[behind].text)
    return open_words, committed


def test_what_the_llm_chose_stays_on_the_screen() -> None:
    fusion = Torn("w50")
    options = DecoderOptions(fused=FusedOptions(stand_nats=0.0))
    stream = Stream(tone_models(ToneDecoder(rivals={14: {50: 9.9}})), options, fusion=fusion)
    shown, committed = fifth_words(stream)
    changes = [word for word, before in zip(shown, ["", *shown], strict=False) if word != before]
    # The draft hears w14; the LLM is asked several times, and never is w14 shown again.
    assert len(fusion.asked) > 2
    assert [word for word in changes if word in ("w14", "w50")] == ["w14", "w50"]
    assert set(committed) == {"w50"}


def test_what_was_drafted_stays_until_something_hardly_better_is_committed() -> None:
    fusion = Torn("w50")
    options = DecoderOptions(fused=FusedOptions(stand_nats=0.5))
    stream = Stream(tone_models(ToneDecoder(rivals={14: {50: 9.9}})), options, fusion=fusion)
    shown, committed = fifth_words(stream)
    assert len(fusion.asked) > 2
    assert "w14" in shown
    assert "w50" not in shown
    assert set(committed) == {"w50"}


def test_what_was_drafted_goes_on_behind_a_decision_that_agrees_with_it() -> None:
    made, models = rule(FusedOptions(guard_ms=100))
    heard = window(models, tones([10, 11]))

    def decided(drafted: list[int]) -> tuple[str, int]:
        words = heard.words([Token(word, at, -0.1) for at, word in enumerate(drafted)])
        decision = made.decide(made.ask(heard), words)
        assert decision is not None
        return " ".join(word.text for word in decision.words), decision.n_chosen

    assert decided([10, 11, 12]) == (text([10, 11, 12]), 1)
    assert decided([30, 11, 12]) == (text([10, 11]), 1)


def test_the_last_word_waits_until_something_follows() -> None:
    fusion = PreferringFusion("")
    stream = Stream(
        tone_models(), DecoderOptions(fused=FusedOptions(guard_ms=100.0)), fusion=fusion
    )
    samples = np.append(tones([10, 20, 30, 40], rest=1.3), tones([50, 60, 70]))
    counts = [len(stream.committed) for _ in stream.hops(samples)]
    before_50 = len(tones([10, 20, 30, 40], rest=1.3)) // HOP
    assert counts[before_50 - 1] == 3  # 40 may be the end of a sentence, or not
    assert counts[-1] > 3


def test_the_llm_is_not_asked_where_there_is_no_choice() -> None:
    fusion = PreferringFusion("w10")
    stream = Stream(
        tone_models(), DecoderOptions(fused=FusedOptions(prune_nats=2.0)), fusion=fusion
    )
    said = [10, 20, 30, 40, 50, 60]
    assert stream.listen(tones(said)) == text(said)
    assert fusion.asked == []


def test_close_rivals_keep_a_word_open() -> None:
    class Undecided(PreferringFusion):
        def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
            return [Terms(0.0, 0.0, 0.0, 0.0) for _ in candidates]

    said = list(range(10, 40))
    rivals = {14: {50: 9.9}}
    fusion = Undecided("")
    stream = Stream(
        tone_models(ToneDecoder(rivals=rivals)),
        DecoderOptions(fused=FusedOptions(decide_ms=3_000)),
        fusion=fusion,
    )
    open_for = 0
    word_end = START + 5 * (WORD_SAMPLES + GAP_SAMPLES)
    for end in stream.hops(tones(said)):
        if len(stream.committed) <= 4:
            open_for = end - word_end
    assert len(stream.committed) > 5  # the cap on how long a word may stay open
    assert 3_000 * 16 - 2 * WORD_SAMPLES <= open_for <= 3_000 * 16 + 4 * HOP


def test_an_expected_word_comes_in_for_one_that_the_beam_took_it_for() -> None:
    said = [30, 40, 20, 50, 60, 70, 80]
    models = tone_models(ToneDecoder(rivals={20: {21: 5.0}}))
    fusion = PreferringFusion("")
    stream = Stream(
        models, DecoderOptions(fused=FusedOptions(beam_width=1)), hot_words=["w21"], fusion=fusion
    )
    assert stream.listen(tones(said)) == text(said).replace("w20", "w21")
    decision = stream.committed[2].decision
    assert decision is not None
    assert (decision.rival, decision.text, decision.hot_words) == ("w20", 0.0, 10.0)
    assert decision.audio == pytest.approx(-5.0, abs=0.1)
    assert {word.decision for word in stream.committed if word is not stream.committed[2]} == {None}


def test_without_any_finished_hypothesis_the_draft_decides() -> None:
    fusion = PreferringFusion("")
    stream = Stream(tone_models(ToneDecoder(loops_on=20)), fusion=fusion)
    heard = stream.listen(tones([10, 11, 12, 13, 20, 30, 31, 32, 33])).split()
    assert heard == text([10, 11, 12, 13, 20]).split()
    assert fusion.asked == []


def test_between_commit_points_nothing_is_decided() -> None:
    stream = Stream(tone_models(), fusion=PreferringFusion(""))
    for _ in stream.hops(tones(list(range(10, 20)))):
        pass
    assert len(stream.commit_points) > 1
    assert min(b - a for a, b in pairwise([START, *stream.commit_points])) >= 512 * 16


def test_a_draft_that_loops_is_dropped_without_waiting_for_a_commit_point() -> None:
    stream = Stream(tone_models(ToneDecoder(loops_on=10)), fusion=PreferringFusion(""))
    ends = list(stream.hops(tones([10, 11, 12])))
    assert stream.commit_points == ends  # it loops from the first step on
    assert stream.segment.tentative == ()


@pytest.mark.parametrize("fused", [False, True])
def test_at_the_end_the_llm_decides_if_it_has_a_say(fused: bool) -> None:
    fusion = PreferringFusion("w31")
    stream = Stream(tone_models(ToneDecoder(rivals={30: {31: 9.0}})), fusion=fusion)
    samples = tones([10, 20, 30])
    audio = attend(stream.models, samples)
    stream.segment.decode_end(audio, START + len(samples), fused=fused)
    words = [word.text for word in stream.segment.finish()]
    assert words == ["w10", "w20", "w31" if fused else "w30"]
    assert bool(fusion.asked) == fused
    assert fusion.appended == [" ".join(words)]
