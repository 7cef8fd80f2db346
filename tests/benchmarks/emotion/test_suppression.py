from __future__ import annotations

import pytest

from benchmarks.emotion.suppression import difference, percent
from streamer.transcript.wer import WordErrors


def test_words_that_are_lost_without_it_count_for_it() -> None:
    with_it = [WordErrors(substitutions=1, reference_words=10)] * 8
    without = [WordErrors(substitutions=1 + n % 2, reference_words=10) for n in range(8)]
    assert percent(without) - percent(with_it) == pytest.approx(5)
    low, high = difference(without, with_it)
    assert 0 < low < 5 < high <= 10
    assert difference(with_it, with_it) == [0, 0]
