from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.decision.agreement import AgreementOptions
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES
from streamer.transcript.wer import word_errors
from tests.speech_fakes import (
    GAP_SAMPLES,
    WORD_SAMPLES,
    PreferringFusion,
    ToneDecoder,
    silence,
    spoken,
    text,
    tone_models,
)
from tests.speech_models import Clip, offline
from tests.streamer.decoding.segments import HOP, START, Stream, tones

FRAME_LENGTH = 512
"""Of the speech detector, in samples."""
DOUBTS = {word: {99: 10.0} for word in range(10, 80)}
"""A decoder that is never sure: something else is as likely as each word."""


def test_the_whole_text_comes_out_and_wild_guesses_do_not() -> None:
    said = list(range(10, 80))
    stream = Stream(tone_models())
    assert stream.listen(tones(said)) == text(said)


def test_the_window_stays_bounded_and_is_cut_between_words() -> None:
    said = [10 + i % 70 for i in range(200)]  # a minute without a pause
    options = DecoderOptions(max_window_ms=6_000, kept_window_ms=2_000)
    stream = Stream(tone_models(), options)
    samples = tones(said)
    ends: dict[int, int] = {}
    for end in stream.hops(samples):
        ends.setdefault(stream.segment.window_start, end)
    assert len(ends) > 10
    # The step that cuts leaves what it has to, and of pauses of one length takes the last.
    left = [end - start for start, end in list(ends.items())[1:]]
    assert 2_000 * 16 <= min(left) <= max(left) < 2_000 * 16 + WORD_SAMPLES + GAP_SAMPLES
    assert stream.longest_window <= 6_000 * 16 + HOP
    # Where a word was cut off at the window's start it would have been guessed at.
    stream.decode_end(samples, START + len(samples))
    stream.take(stream.segment.finish())
    assert [word.text for word in stream.committed] == text(said).split()


def test_a_cut_is_made_at_the_longest_pause() -> None:
    said = np.concatenate([spoken([10, 11, 12, 13]), silence(8_000), spoken(list(range(14, 40)))])
    stream = Stream(tone_models(), DecoderOptions(max_window_ms=4_000, kept_window_ms=1_000))
    pause = 4 * (WORD_SAMPLES + GAP_SAMPLES)
    for _ in stream.hops(said):
        if stream.segment.window_start > START:
            break
    assert pause - GAP_SAMPLES <= stream.segment.window_start - START <= pause + 8_000


def test_sound_without_words_is_cut_once_it_is_longer_than_words_stay_open() -> None:
    class Deaf(ToneDecoder):
        def words_in(self, sound: Floats) -> list[tuple[int, int]]:
            return []

    agreement = AgreementOptions(max_open_ms=1_000)
    options = DecoderOptions(max_window_ms=3_000, kept_window_ms=500, agreement=agreement)
    stream = Stream(tone_models(Deaf()), options)
    for end in stream.hops(tones(list(range(10, 30)))):
        if stream.segment.window_start > START:
            assert 4_000 * 16 < end - START <= 4_000 * 16 + HOP
            assert 500 * 16 <= end - stream.segment.window_start < 500 * 16 + FRAME_SAMPLES
            assert stream.segment.committed_end == end - 500 * 16
            break
    else:
        pytest.fail("the window was never cut")
    assert stream.segment.finish() == ()


def maybe_speech_until(sample: int) -> Callable[[int, int], list[float]]:
    """Frames of what may be speech, but for sure is none before that sample of the segment."""
    return lambda start, end: [
        0.5 if at < START + sample else 1.0
        for at in range(start // FRAME_LENGTH * FRAME_LENGTH, end, FRAME_LENGTH)
    ]


@pytest.mark.parametrize("fusion", [None, PreferringFusion("none")])
def test_words_without_speech_are_neither_committed_nor_shown(
    fusion: PreferringFusion | None,
) -> None:
    doubtful = tone_models(ToneDecoder(rivals=DOUBTS))
    stream = Stream(doubtful, fusion=fusion, speech_probabilities=maybe_speech_until(10**9))
    samples = tones(list(range(10, 80)))
    for _ in stream.hops(samples):
        assert stream.segment.tentative == ()
    stream.decode_end(samples, START + len(samples))
    assert stream.segment.finish() == ()
    assert stream.committed == []
    between_decisions = 750 * 16 + HOP
    assert stream.longest_window <= 13_000 * 16 + between_decisions


def test_words_are_held_until_there_is_evidence_of_speech() -> None:
    doubtful = tone_models(ToneDecoder(rivals=DOUBTS))
    said = list(range(10, 30))
    sure_from = 2 * 16_000
    stream = Stream(doubtful, speech_probabilities=maybe_speech_until(sure_from))
    for end in stream.hops(tones(said)):
        if end < START + sure_from:
            assert stream.segment.tentative == ()
    stream.decode_end(tones(said), START + len(tones(said)))
    stream.take(stream.segment.finish())
    assert [word.text for word in stream.committed] == text(said).split()


def test_sound_behind_words_that_turn_out_to_be_none_is_forgotten() -> None:
    """A word in a cough, then silence that passes for speech."""
    doubtful = tone_models(ToneDecoder(rivals=DOUBTS))
    stream = Stream(doubtful, speech_probabilities=maybe_speech_until(10**9))
    for end in stream.hops(tones([10], rest=8)):
        if end > START + 4 * 16_000:
            assert stream.segment.window_start > START
    assert stream.segment.finish() == ()


@pytest.mark.parametrize("fused", [False, True])
def test_a_pause_commits_all_but_the_last_word_and_the_end_computes_nothing(fused: bool) -> None:
    said = list(range(10, 20))
    fusion = PreferringFusion("") if fused else None
    stream = Stream(tone_models(), fusion=fusion)
    samples = tones(said)
    for _ in stream.hops(samples):
        pass
    stream.pause(samples, START + len(samples))
    assert [word.text for word in stream.committed] == text(said[:-1]).split()
    assert [word.text for word in stream.segment.tentative] == [f"w{said[-1]}"]
    stream.take(stream.segment.finish())  # no audio: nothing is decoded
    assert [word.text for word in stream.committed] == text(said).split()
    if fusion is not None:
        assert " ".join(fusion.appended) == text(said)


def test_a_newest_word_that_is_only_guessed_is_not_shown_until_it_stands_a_while() -> None:
    guessed = ToneDecoder(rivals={14: dict.fromkeys(range(50, 60), 9.0)})
    stream = Stream(tone_models(guessed))
    samples = tones(list(range(10, 20)))
    begins = START + 4 * (WORD_SAMPLES + GAP_SAMPLES)
    first_seen: dict[str, int] = {}
    for end in stream.hops(samples):
        for word in stream.segment.tentative:
            first_seen.setdefault(word.text, end)
    assert first_seen["w13"] - (begins - WORD_SAMPLES - GAP_SAMPLES) < WORD_SAMPLES + HOP
    assert first_seen["w14"] - begins >= 400 * 16
    assert first_seen["w14"] <= first_seen["w16"]  # a likely word behind it shows it


def test_a_pause_behind_one_word_commits_nothing() -> None:
    stream = Stream(tone_models())
    samples = tones([10])
    stream.pause(samples, START + len(samples))
    assert stream.committed == []
    assert [word.text for word in stream.segment.tentative] == ["w10"]


def test_speech_may_go_on_after_a_pause() -> None:
    first, second = list(range(10, 20)), list(range(20, 30))
    samples = np.concatenate([tones(first), spoken(second), silence(8_000)])
    pause = START + len(tones(first)) // HOP * HOP
    stream = Stream(tone_models())
    for end in stream.hops(samples):
        if end == pause:
            stream.pause(samples, end)
    assert stream.segment.end_decoded_at is None
    stream.decode_end(samples, START + len(samples))
    stream.take(stream.segment.finish())
    assert " ".join(word.text for word in stream.committed) == text(first + second)


def test_a_draft_may_change_any_word_that_nothing_chose() -> None:
    class Fickle(ToneDecoder):
        """Takes the first word for another once more is said."""

        def words_in(self, sound: Floats) -> list[tuple[int, int]]:
            found = super().words_in(sound)
            return [(50 if word == 10 and len(found) > 1 else word, at) for word, at in found]

    stream = Stream(tone_models(Fickle()))
    firsts = [stream.segment.tentative[0].text for _ in stream.hops(tones([10, 11], rest=0))]
    assert (firsts[0], firsts[-1]) == ("w10", "w50")


def test_a_doubtful_beginning_is_not_committed_at_a_pause() -> None:
    doubtful = ToneDecoder(rivals={word: dict.fromkeys(range(50, 60), 9.0) for word in (10, 11)})
    stream = Stream(tone_models(doubtful))
    samples = tones([10, 11], rest=0.5)
    stream.pause(samples, START + len(samples))
    assert len(stream.segment.tentative) == 2
    assert stream.segment.finish() == ()


@pytest.mark.parametrize("fused", [False, True])
def test_a_decoder_that_believes_its_sentence_has_ended_begins_anew(fused: bool) -> None:
    class Deaf(ToneDecoder):
        """Hears nothing from word 20 on, unless the window begins with it."""

        def words_in(self, sound: Floats) -> list[tuple[int, int]]:
            found = super().words_in(sound)
            words = [word for word, _ in found]
            return found[: words.index(20)] if 20 in words[1:] else found

    said = list(range(10, 40))
    fusion = PreferringFusion("") if fused else None
    stream = Stream(tone_models(Deaf()), fusion=fusion)
    assert stream.listen(tones(said)) == text(said)


@pytest.mark.parametrize(
    ("said", "likely", "heard"),
    [
        ([10], False, ""),
        ([10, 11], False, ""),
        ([10, 11, 12], False, text([10, 11, 12])),
        ([10], True, text([10])),
    ],
)
def test_a_segment_of_a_few_unlikely_words_is_no_speech(
    said: list[int], likely: bool, heard: str
) -> None:
    rivals = {} if likely else {word: dict.fromkeys(range(50, 60), 9.0) for word in said}
    stream = Stream(tone_models(ToneDecoder(rivals=rivals)))
    assert stream.listen(tones(said, rest=0.1)) == heard


@pytest.mark.slow
def test_streaming_real_speech_comes_close_to_decoding_it_whole(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    errors = []
    for clip in (clips[-1], clips[5]):
        stream = Stream(speech_models)
        streamed = stream.listen(np.concatenate([clip.samples, silence(HOP)]))
        errors.append(word_errors(offline(speech_models, clip.samples), streamed))
    assert sum(errors[1:], errors[0]).rate <= 0.15


@pytest.mark.slow
def test_half_a_minute_of_real_speech_without_a_pause(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    parts, reference = [], ""
    for clip in clips[4:8]:
        loud = np.flatnonzero(np.abs(clip.samples) > 0.03)
        parts.append(clip.samples[loud[0] : loud[-1]])
        reference += " " + clip.text
    samples = np.concatenate(parts)
    assert len(samples) > 30 * 16_000
    stream = Stream(speech_models)
    assert word_errors(reference, stream.listen(samples)).rate <= 0.25
    assert stream.longest_window <= (10_000 + 4_000) * 16
