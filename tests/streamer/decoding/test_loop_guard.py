from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.loop_guard import MAX_PERIOD, loop_start

tokens = st.lists(st.integers(0, 3), max_size=40)


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ([], None),
        ([7], None),
        ([7, 7, 7], None),  # "no, no, no"
        ([1, 7, 7, 7, 7], 2),
        ([7] * 9, 1),
        ([1, 2, 1, 2], None),
        ([9, 1, 2, 1, 2, 1, 2], 3),
        ([1, 2, 1, 2, 1, 2, 9], None),  # only the tail counts
        ([*range(10)] * 3, 10),
        ([*range(11)] * 3, None),  # longer than people's repetitions are looked for
    ],
)
def test_a_repeating_tail_is_found_behind_its_first_copy(said: list[int], start: int) -> None:
    assert loop_start(said) == start


@given(tokens, st.lists(st.integers(0, 3), min_size=1, max_size=MAX_PERIOD), st.integers(4, 9))
def test_whatever_is_said_before_four_copies_they_are_found(
    before: list[int], unit: list[int], copies: int
) -> None:
    start = loop_start([*before, *unit * copies])
    assert start is not None
    assert start <= len(before) + len(unit)


@given(tokens)
def test_what_is_dropped_repeats_what_is_kept(said: list[int]) -> None:
    start = loop_start(said)
    if start is None:
        return
    dropped = said[start:]
    assert 0 < start < len(said)
    assert any(
        all(said[i] == said[i - period] for i in range(start, len(said)))
        and len(dropped) % period == 0
        for period in range(1, min(MAX_PERIOD, start) + 1)
    )


@given(st.lists(st.integers(), unique=True, max_size=60))
def test_no_loop_without_repetition(said: list[int]) -> None:
    assert loop_start(said) is None
