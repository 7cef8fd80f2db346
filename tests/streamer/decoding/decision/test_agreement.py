from __future__ import annotations

import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.decision.agreement import AgreementOptions, TentativeWord, n_agreed
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.draft import Token
from streamer.decoding.options import DecoderOptions
from streamer.decoding.streaming_decoder import StreamingDecoder
from streamer.decoding.words import RecognizedWord
from tests.speech_fakes import (
    GAP_SAMPLES,
    WORD_SAMPLES,
    ToneDecoder,
    ToneTokenizer,
    silence,
    text,
    tone_models,
)
from tests.speech_models import attend
from tests.streamer.decoding.segments import HOP, START, Stream, tones

END = 100_000
"""Of the window, at 16 samples a millisecond."""
OPTIONS = AgreementOptions(
    agree_ms=1_000, sure_agree_ms=300, sure_confidence=0.92, guard_ms=500, max_open_ms=3_000
)


def tentative(end_ms: float, since_ms: float, logprob: float = -0.1) -> TentativeWord:
    """A word that ended, and has stood in its place, for so long."""
    end = END - round(16 * end_ms)
    word = RecognizedWord("sea", (Token(1, 0, logprob),), end - 100, end)
    return TentativeWord(word, END - round(16 * since_ms))


@pytest.mark.parametrize(
    ("words", "agreed"),
    [
        ([], 0),
        ([(900, 1_000)], 0),  # the last word is never agreed on
        ([(900, 1_000), (0, 0)], 1),
        ([(500, 1_000), (0, 0)], 1),
        ([(499, 1_000), (0, 0)], 0),  # it rests on the newest audio
        ([(900, 999), (0, 0)], 0),  # it was not given for long enough
        ([(900, 1_000), (700, 999), (600, 1_000), (0, 0)], 1),  # what follows waits for it
        ([(3_000, 0), (900, 1_000), (0, 0)], 2),  # but not for ever
        ([(2_999, 0), (900, 1_000), (0, 0)], 0),
    ],
)
def test_leading_words_that_stood_long_enough_are_agreed_on(
    words: list[tuple[float, float]], agreed: int
) -> None:
    found = n_agreed([tentative(*word) for word in words], END, OPTIONS, OPTIONS.guard_ms)
    assert found == agreed


def test_a_sure_word_need_not_stand_as_long() -> None:
    sure, unsure = -0.08, -0.09  # 0.923 and 0.914
    for since_ms, logprob, agreed in ((300, sure, 1), (299, sure, 0), (300, unsure, 0)):
        words = [tentative(900, since_ms, logprob), tentative(0, 0)]
        assert n_agreed(words, END, OPTIONS, OPTIONS.guard_ms) == agreed
    unguarded = [tentative(499, 300, sure), tentative(0, 0)]
    assert n_agreed(unguarded, END, OPTIONS, OPTIONS.guard_ms) == 0


def test_another_rule_may_guard_otherwise() -> None:
    words = [tentative(200, 2_000), tentative(0, 0)]
    assert [n_agreed(words, END, OPTIONS, guard_ms) for guard_ms in (200, 201)] == [1, 0]


def test_words_are_committed_in_order_while_they_are_said() -> None:
    said = list(range(10, 30))
    stream = Stream(tone_models())
    counts = [len(stream.committed) for _ in stream.hops(tones(said))]
    assert counts[-1] >= 15
    assert len(set(counts)) > 5  # little by little
    assert stream.listen(silence(0)) == text(said[: counts[-1]])


def test_how_long_a_word_was_given_is_counted_in_audio_not_in_steps() -> None:
    said = list(range(10, 30))
    first_commit = {}
    for hop in (1_024, 4_096):
        segment = StreamingDecoder(
            tone_models(), DecoderOptions(), START, HotWords((), ToneTokenizer()), None
        )
        models = tone_models()
        for at in range(hop, len(tones(said)), hop):
            audio = attend(models, tones(said)[:at])
            segment.draft(audio, START + at)
            if segment.commit_by_agreement(START + at):
                first_commit[hop] = at
                break
    assert abs(first_commit[1_024] - first_commit[4_096]) <= 4_096


def test_a_loop_is_never_committed_and_its_draft_is_dropped() -> None:
    said = list(range(10, 30))
    stream = Stream(tone_models(ToneDecoder(loops_on=15)))
    loops_from = START + 5 * (WORD_SAMPLES + GAP_SAMPLES) + WORD_SAMPLES // 2
    for end in stream.hops(tones(said)):
        assert (stream.segment.tentative == ()) == (end >= loops_from)
    words = [word.text for word in stream.committed]
    assert words == text(said[: len(words)]).split()
    assert "w15" not in words


def test_at_the_end_what_stands_before_a_loop_is_committed() -> None:
    stream = Stream(tone_models(ToneDecoder(loops_on=15)))
    samples = tones([10, 11, 12, 13, 14, 15])
    for _ in stream.hops(samples):
        pass
    stream.pause(samples, START + len(samples))
    # A pause may not be the end.
    assert [word.text for word in stream.committed] == ["w10", "w11", "w12"]
    stream.take(stream.segment.finish())
    assert " ".join(word.text for word in stream.committed) == text([10, 11, 12, 13, 14, 15])


def test_a_draft_that_ran_out_of_tokens_is_dropped() -> None:
    slow = AgreementOptions(sure_agree_ms=768)
    options = DecoderOptions(tokens_per_second=0.0, spare_tokens=3, agreement=slow)
    stream = Stream(tone_models(), options)
    for end in stream.hops(tones(list(range(10, 16)))):
        fits = end - START <= 3 * (WORD_SAMPLES + GAP_SAMPLES)  # until a fourth word begins
        assert bool(stream.segment.tentative) == fits


def test_a_word_that_never_settles_is_committed_when_it_is_old() -> None:
    class Fickle(ToneDecoder):
        """Changes its mind about word 12 at every look."""

        def words_in(self, sound: Floats) -> list[tuple[int, int]]:
            mood = len(sound) // HOP % 2
            found = super().words_in(sound)
            return [(40 + mood if word == 12 else word, at) for word, at in found]

    said = list(range(10, 40))
    stream = Stream(
        tone_models(Fickle()), DecoderOptions(agreement=AgreementOptions(max_open_ms=2_000))
    )
    for end in stream.hops(tones(said)):
        fickle = [word for word in stream.committed if word.text in ("w40", "w41")]
        if fickle:
            assert 2_000 * 16 <= end - fickle[0].end_sample < 2_000 * 16 + HOP
            break
    else:
        pytest.fail("the word stayed open")
