from __future__ import annotations

from benchmarks.emotion.shown import Segment
from benchmarks.emotion.thresholds import threshold_of


def said(truth: str, label: str, *sure: float) -> list[Segment]:
    return [(truth, label, value) for value in sure]


CALM = said("neutral", "neutral", *[0.9] * 200)
ACTED = said("angry", "angry", 0.55, 0.65, 0.75, 0.85, 0.97)


def test_the_lowest_threshold_is_taken_at_which_calm_speech_is_not_shown() -> None:
    best, tried = threshold_of("angry", CALM, CALM, ACTED)
    assert best == 0.5
    assert [row["of_acted_so"] for row in tried][::9] == [0.2, 1.0]
    alarm = said("neutral", "angry", 0.68, 0.69, 0.62)
    best, tried = threshold_of("angry", CALM + alarm, CALM, ACTED)
    assert best == 0.7
    assert next(row["calm"] for row in tried if row["threshold"] == 0.65) == round(2 / 203, 4)


def test_a_few_alarms_will_do_in_odd_voices() -> None:
    alarm = said("neutral", "angry", 0.68)
    assert threshold_of("angry", CALM, CALM + alarm * 4, ACTED)[0] == 0.5
    assert threshold_of("angry", CALM, CALM + alarm * 5, ACTED)[0] == 0.7


def test_most_of_those_shown_must_be_right() -> None:
    wrong = said("fearful", "angry", 0.61, 0.62)
    assert threshold_of("angry", CALM, CALM, ACTED + wrong)[0] == 0.65
    assert threshold_of("angry", CALM, CALM, said("sad", "angry", 0.99))[0] == 1.0
    few = said("sad", "angry", 0.99)
    assert threshold_of("angry", CALM, CALM, ACTED + few)[0] == 0.5
