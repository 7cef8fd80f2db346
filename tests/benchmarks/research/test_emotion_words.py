from __future__ import annotations

import pytest

from benchmarks.research.emotion_words import FLAT, TELLING, fused, judge, leaning, named
from streamer.models.emotion.classifier import LABELS

NOTHING = dict.fromkeys(LABELS, 0.0)


def about(label: str, nats: float = 3.0) -> dict[str, float]:
    """Words that tell of one emotion."""
    return NOTHING | {label: nats}


def test_with_weight_0_the_voice_comes_back() -> None:
    voice = leaning("sad", 0.4)
    assert fused(voice, about("angry"), 0) == pytest.approx(voice)
    assert sum(fused(voice, about("angry"), 0.7).values()) == pytest.approx(1)


def test_the_same_voice_is_told_apart_by_telling_words() -> None:
    voice = leaning("angry", 0.25)
    assert named(about("happy"), voice, 0.5) == "happy"
    assert named(about("fearful"), voice, 0.5) == "fearful"
    assert named(NOTHING, voice, 0.5) == "angry"


def test_a_sure_voice_is_not_outvoted_by_a_little() -> None:
    assert named(about("happy"), leaning("neutral", 0.85), 0.5) == "neutral"


def test_a_verdict() -> None:
    right = {"a": ("sad", about("sad")), "b": ("angry", about("angry"))}
    wrong = {"c": ("sad", about("happy", 9.0))}
    none, some = (judge(right, [NOTHING], weight) for weight in (0.0, 1.0))
    assert (none["misheard_righted"], some["misheard_righted"]) == (0, 1)
    assert some["unsure_right"] == some["flat_words_keep_the_voice"] == 1
    assert judge(right | wrong, [NOTHING], 1.0)["calm_called_a_wrong_emotion"] == round(1 / 3, 3)


def test_sentences_are_of_every_emotion_and_none_twice() -> None:
    assert {*TELLING} == {*LABELS} - {"neutral"}
    texts = [*FLAT, *(text for some in TELLING.values() for text in some)]
    assert len({*texts}) == len(texts)
