from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emotion.scores import (
    Scored,
    amplified,
    calibration_error,
    confusion,
    coverage,
    macro_f1,
    non_speech,
    overconfidence,
    speaker_interval,
    telephone,
    uar,
)
from streamer.audio.clock import SAMPLE_RATE


def scored(labels: list[int], predicted: list[int], sure: float = 1.0) -> Scored:
    probs = np.full((len(labels), 6), (1 - sure) / 5)
    probs[np.arange(len(labels)), predicted] = sure
    return Scored(probs, np.array(labels), [f"s{i % 3}" for i in range(len(labels))])


def test_uar_weighs_classes_alike_whatever_their_number() -> None:
    assert uar(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == pytest.approx(0.5)


def test_f1_punishes_false_alarms_which_recall_does_not_see() -> None:
    labels, predicted = np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1])
    assert macro_f1(labels, predicted) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_calibration_is_perfect_when_confidence_is_accuracy() -> None:
    labels = [0] * 10
    predicted = [0] * 8 + [1] * 2
    assert calibration_error(scored(labels, predicted, 0.8)) == pytest.approx(0, abs=1e-9)
    assert calibration_error(scored(labels, predicted, 1.0)) == pytest.approx(0.2)


def test_overconfidence_has_a_sign() -> None:
    labels, predicted = [0] * 10, [0] * 8 + [1] * 2
    assert overconfidence(scored(labels, predicted, 1.0)) == pytest.approx(0.2)
    assert overconfidence(scored(labels, predicted, 0.5)) == pytest.approx(-0.3)


def test_the_interval_holds_the_figure_and_narrows_without_differences() -> None:
    mixed = scored([0, 1] * 30, [0, 1, 1, 0, 0, 1] * 10)
    low, high = speaker_interval(mixed, rounds=200)
    assert low <= uar(mixed.labels, mixed.predicted) <= high
    assert speaker_interval(scored([0, 1] * 3, [0, 1] * 3), rounds=50) == (1.0, 1.0)


def test_rows_of_the_confusion_are_what_was_acted() -> None:
    table = confusion(scored([0, 0, 1], [0, 5, 1]))
    assert (table[0][0], table[0][5], table[1][1]) == (1, 1, 1)
    assert sum(map(sum, table)) == 3


def test_coverage_falls_with_the_threshold() -> None:
    rows = coverage(scored([0, 1], [0, 0], 0.45), (0.4, 0.5))
    assert [row["named_share"] for row in rows] == [1.0, 0.0]
    assert rows[0]["accuracy_of_named"] == 0.5


@pytest.mark.parametrize("kind", ["white noise", "brown noise", "hum", "clicks"])
def test_sounds_are_finite_and_within_full_scale(kind: str) -> None:
    sound = non_speech(kind, 1.0, 0)
    assert sound.shape == (SAMPLE_RATE,)
    assert np.abs(sound).max() == pytest.approx(0.2)


def test_a_telephone_carries_its_band_and_a_loud_gain_is_cut_off() -> None:
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    inside, outside = (np.sin(2 * np.pi * f * at).astype(np.float32) for f in (1_000, 100))
    assert np.abs(telephone(inside)).max() == pytest.approx(1, abs=0.01)
    assert np.abs(telephone(outside)).max() < 0.01
    assert np.abs(amplified(inside, 20)).max() == 1
