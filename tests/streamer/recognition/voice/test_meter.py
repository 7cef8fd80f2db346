from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.recognition.voice.meter import VoiceMeter, VoiceOptions
from streamer.transcript.ledger import Arousal, Voice
from tests.streamer.audio.test_pitch import noise, voice

CALM = [(db, hz) for db in (-2, -1, 0, 1, 2) for hz in (110, 120, 130, 140)]
"""Loudness and pitch of twenty words."""

vowel = cache(voice)


def said(db: float, pitch_hz: float) -> Floats:
    return (10 ** (db / 20) * vowel(pitch_hz)[:4_800]).astype(np.float32)


def meter(words: list[tuple[int, int]]) -> VoiceMeter:
    heard = VoiceMeter(VoiceOptions())
    for word in words:
        heard.measure(said(*word))
    heard.close_segment()
    return heard


def arousal(heard: VoiceMeter, *words: tuple[int, int]) -> Arousal:
    for word in words:
        heard.measure(said(*word))
    told = heard.close_segment()
    assert told is not None
    return told


def test_a_word_is_as_loud_as_it_is_above_the_others() -> None:
    heard = meter([(0, 120)] * 10)
    assert heard.measure(said(6, 120)).loudness_db == 6.0
    assert heard.measure(said(-9.5, 120)).loudness_db == -9.5
    assert heard.measure(said(0, 120)).loudness_db == 0.0


def test_neither_microphone_nor_distance_matter() -> None:
    near, far = VoiceMeter(VoiceOptions()), VoiceMeter(VoiceOptions())
    levels = (0.0, 3.0, -2.0, 1.0, 5.0, -6.0, 0.5)
    told = [near.measure(said(db, 150)) for db in levels]
    assert [far.measure(said(db - 25, 150)) for db in levels] == told
    assert [voice.loudness_db is None for voice in told] == [True] * 4 + [False] * 3


def test_the_level_runs_with_the_speaker() -> None:
    heard = meter([(0, 120)] * 64)
    for _ in range(65):
        last = heard.measure(said(12, 120))
    assert last.loudness_db == 0.0


@pytest.mark.parametrize("pitch_hz", [98.0, 233.0])
def test_a_word_has_the_pitch_of_its_voice(pitch_hz: float) -> None:
    told = meter([]).measure(said(0, pitch_hz))
    assert told.pitch_hz == pytest.approx(pitch_hz, rel=0.005)


def test_a_whisper_has_no_pitch() -> None:
    assert meter([]).measure(noise(-30, 0.4)).pitch_hz is None


def test_what_is_too_short_is_not_measured() -> None:
    assert meter(CALM).measure(said(0, 120)[:100]) == Voice(None, None)


def test_louder_and_higher_than_before_is_aroused() -> None:
    excited = arousal(meter(CALM), *[(12, 240)] * 3)
    tired = arousal(meter(CALM), *[(-12, 85)] * 3)
    as_ever = arousal(meter(CALM), *CALM)
    assert excited.value >= 0.7
    assert tired.value <= -0.7
    assert as_ever.value == pytest.approx(0, abs=0.05)


def test_one_cue_alone_makes_less_and_is_less_sure() -> None:
    louder = arousal(meter(CALM), *[(12, 125)] * 3)
    all_of_it = arousal(meter(CALM), *[(12, 240)] * 3)
    assert 0 < louder.value < all_of_it.value
    assert louder.confidence < all_of_it.confidence


def test_it_is_surer_the_more_words_say_so() -> None:
    few = arousal(meter(CALM), (12, 240))
    many = arousal(meter(CALM), *[(12, 240)] * 6)
    assert few.value == many.value
    assert 0 < few.confidence < many.confidence == 1


def test_nothing_is_told_before_there_is_something_to_compare_with() -> None:
    heard = meter(CALM[:15])
    heard.measure(said(12, 240))
    assert heard.close_segment() is None
    assert heard.close_segment() is None  # no words


def test_a_segment_is_not_compared_with_itself() -> None:
    heard = meter(CALM)
    assert arousal(heard, *[(12, 240)] * 60).value >= 0.7
    assert arousal(heard, *[(12, 240)] * 3).value < 0.5  # by now it is usual
