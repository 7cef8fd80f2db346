from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from streamer.decoding.draft import Token
from streamer.decoding.speech_evidence import EvidenceOptions, SpeechEvidence
from streamer.decoding.words import RecognizedWord
from streamer.models.silero import FRAME_SAMPLES

SECOND = 16_000
UNSURE = 0.3
"""Of a word, as the decoder gives it."""


def word(start_s: float, confidence: float = UNSURE) -> RecognizedWord:
    """It takes 0.3 s."""
    start = round(start_s * SECOND)
    token = Token(5, 0, math.log(confidence))
    return RecognizedWord("word", (token,), start, start + 4_800)


def heard(*stretches: tuple[float, float, float]) -> Callable[[int, int], Sequence[float]]:
    """Stretches of speech, from one second to another with a probability; nothing else is."""

    def probabilities(start: int, end: int) -> list[float]:
        starts = range(max(0, start) // FRAME_SAMPLES, -(-end // FRAME_SAMPLES))
        seconds = [frame * FRAME_SAMPLES / SECOND for frame in starts]
        return [max((p for a, b, p in stretches if a <= at < b), default=0.0) for at in seconds]

    return probabilities


def n_supported(
    probabilities: Callable[[int, int], Sequence[float]] | None,
    words: Sequence[RecognizedWord],
    before: Sequence[RecognizedWord] = (),
) -> int:
    return SpeechEvidence(EvidenceOptions(), probabilities).n_supported(before, words)


def test_words_stand_where_somebody_surely_speaks() -> None:
    assert n_supported(heard((1, 2, 0.99)), [word(1), word(1.4)]) == 2


def test_words_in_what_only_might_be_speech_do_not() -> None:
    assert n_supported(heard((1, 2, 0.9)), [word(1), word(1.4)]) == 0


def test_a_click_is_no_speech() -> None:
    assert n_supported(heard((1, 1.06, 0.99)), [word(1)]) == 0


def test_many_words_need_more_speech_than_one() -> None:
    short = heard((1, 1.2, 0.99))
    assert n_supported(short, [word(1)]) == 1
    assert n_supported(short, [word(1), word(1.3), word(1.6)]) == 0


def test_words_that_the_decoder_is_sure_of_stand_all_the_same() -> None:
    whispered = heard((1, 1.2, 0.6), (1.4, 1.6, 0.6))
    assert n_supported(whispered, [word(1, 0.9), word(1.4, 0.7)]) == 2
    assert n_supported(whispered, [word(1, 0.9), word(1.4, 0.3)]) == 0


def test_likely_words_in_likely_speech_stand() -> None:
    """A soft voice: the detector is never sure of it."""
    soft = heard((0.8, 2.2, 0.9))
    assert n_supported(soft, [word(1, 0.6), word(1.4, 0.6)]) == 2
    assert n_supported(soft, [word(1, 0.4), word(1.4, 0.4)]) == 0
    assert n_supported(heard((0.8, 2.2, 0.6)), [word(1, 0.6), word(1.4, 0.6)]) == 0


def test_no_word_stands_in_silence_however_sure_it_is() -> None:
    assert n_supported(heard(), [word(1, 1.0)]) == 0


def test_last_words_without_speech_under_them_do_not_stand() -> None:
    spoken = heard((1, 2, 0.99))
    words = [word(1), word(1.6), word(2.5), word(2.9)]
    assert n_supported(spoken, words) == 2
    assert n_supported(heard((1, 2, 0.99), (2.9, 3, 0.6)), words) == 4


def test_the_times_of_words_need_not_be_exact() -> None:
    spoken = heard((1, 2, 0.99))
    assert n_supported(spoken, [word(1), word(2.1)]) == 2
    assert n_supported(spoken, [word(1), word(2.2)]) == 1


def test_a_short_word_stands_by_those_before_it() -> None:
    spoken = heard((1, 1.5, 0.99), (2, 2.5, 0.6))
    assert n_supported(spoken, [word(2)], before=[word(1)]) == 1
    assert n_supported(spoken, [word(2)]) == 0


def test_without_a_detector_no_word_is_doubted() -> None:
    assert n_supported(None, [word(1), word(2)]) == 2


@pytest.mark.parametrize("probabilities", [None, heard((0, 1, 1.0))])
def test_no_words_are_no_words(
    probabilities: Callable[[int, int], Sequence[float]] | None,
) -> None:
    assert n_supported(probabilities, []) == 0
