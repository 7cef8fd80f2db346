"""What a second listener does to the decision: tones in place of speech, and real weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.decoding.decision.second_listener import ListenerLane
from streamer.decoding.options import DecoderOptions
from streamer.models.store.catalog import WHISPER_TINY_EN
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.loading import load_listener
from streamer.runtime.batcher import Batcher
from streamer.runtime.tracing import NullSpans
from streamer.transcript.wer import word_errors
from tests.speech_fakes import PreferringFusion, ToneDecoder, ToneListener, text, tone_models
from tests.speech_models import Clip
from tests.streamer.decoding.segments import Stream, tones


def heard_with(
    listener: ToneListener, said: Sequence[int], rivals: dict[int, dict[int, float]] | None = None
) -> Stream:
    stream = Stream(
        tone_models(ToneDecoder(rivals or {})), fusion=PreferringFusion(""), listener=listener
    )
    stream.listen(tones(list(said)))
    return stream


def texts(stream: Stream) -> str:
    return " ".join(word.text for word in stream.committed)


def test_what_the_first_listener_mishears_the_second_puts_right() -> None:
    said = [10, 20, 30, 40]
    sounds_like = {20: {21: 10.5}}  # the first hears w21
    assert texts(heard_with(ToneListener([]), said, sounds_like)) == "w10 w21 w30 w40"
    listener = ToneListener(["w10 w20 w30 w40"], {"w21": -6.0})
    stream = heard_with(listener, said, sounds_like)
    assert texts(stream) == text(said)
    decision = stream.committed[1].decision
    assert decision is not None
    assert decision.rival == "w21"
    assert decision.second == pytest.approx(5.0 * FusedOptions().second_weight)
    assert decision.audio < 0


def test_what_was_said_may_lie_between_the_two() -> None:
    said = [10, 20, 30, 40]
    listener = ToneListener(["w50 w20 w30 w40"], {"w21": -6.0, "w50": -0.5})
    assert texts(heard_with(listener, said, {20: {21: 10.5}})) == text(said)


def test_what_the_second_listener_cannot_believe_does_not_win_by_the_llm() -> None:
    stream = Stream(
        tone_models(ToneDecoder({20: {21: 9.0}})),
        fusion=PreferringFusion("w21"),
        listener=ToneListener([text([10, 20, 30])], {"w21": -200.0}),
    )
    assert stream.listen(tones([10, 20, 30])) == text([10, 20, 30])


def test_it_hears_the_window_and_is_told_what_is_committed_of_it() -> None:
    said = [10 + i for i in range(40)]
    listener = ToneListener([text(said)])
    always = DecoderOptions(fused=FusedOptions(doubt_nats=math.inf))
    stream = Stream(tone_models(), always, fusion=PreferringFusion(""), listener=listener)
    stream.listen(tones(said))
    assert texts(stream) == text(said)
    assert listener.said[0] == ""
    assert all(text(said).find(each) >= 0 for each in listener.said)
    assert any(each.startswith("w1") for each in listener.said)
    options = DecoderOptions()
    longest_ms = options.max_window_ms + options.agreement.max_open_ms
    assert 0 < listener.longest <= longest_ms * 16


def test_noise_that_is_silence_to_the_second_listener_gives_no_words() -> None:
    listener = ToneListener([""], {"w10": -60.0})
    assert texts(heard_with(listener, [10])) == ""


def test_a_doubtful_word_stays_if_the_second_listener_heard_it() -> None:
    unclear = {10: dict.fromkeys(range(60, 70), 9.99)}
    for heard, expected in (("w10", "w10"), ("w33", "")):
        listener = ToneListener([heard], {"w33": -30.0})
        assert texts(heard_with(listener, [10], unclear)) == expected


@pytest.mark.parametrize(
    ("rival", "asked"), [(10.5, True), (9.0, True), (7.5, False)], ids=["ahead", "close", "far"]
)
def test_the_second_listener_is_asked_where_the_first_is_in_doubt(
    rival: float, asked: bool
) -> None:
    listener = ToneListener(["w60 w61 w62 w63"])
    options = DecoderOptions(fused=FusedOptions(doubt_nats=2.0))
    stream = Stream(
        tone_models(ToneDecoder({20: {21: rival}})),
        options,
        fusion=PreferringFusion(""),
        listener=listener,
    )
    stream.listen(tones([10, 20, 30, 40]))
    assert bool(listener.said) == asked


def test_who_is_not_asked_has_no_say() -> None:
    listener = ToneListener(["w10 w20 w30"], {"w21": -6.0})
    stream = Stream(
        tone_models(ToneDecoder({20: {21: 10.5}})), fusion=PreferringFusion(""), listener=listener
    )
    stream.segment.listening = False
    assert stream.listen(tones([10, 20, 30])) == "w10 w21 w30"
    assert listener.said == []


@pytest.mark.slow
def test_real_ears_hear_through_one_lane(clips: list[Clip]) -> None:
    whisper = load_listener(WHISPER_TINY_EN.name, Zoo(), threads=2)
    batcher = Batcher(1, "test")
    try:
        listener = ListenerLane(whisper, batcher).session("en", NullSpans())
        clip = clips[0]
        hearing = listener.hear(clip.samples, "")
        best = hearing.hypotheses[0]
        assert word_errors(clip.text, best.text).rate < 0.3
        wrong = " ".join(reversed(best.text.split()))
        right, turned = listener.score(hearing, [best.text, wrong])
        assert right == pytest.approx(best.logprob, abs=0.5)
        assert turned < right - 5
    finally:
        batcher.close()
