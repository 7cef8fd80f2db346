from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.draft import Token
from streamer.decoding.loop_guard import MAX_PERIOD, loop_start

tokens = st.lists(st.integers(0, 3), max_size=40)


def standing(ids: list[int]) -> list[Token]:
    """Tokens whose attention does not move."""
    return [Token(token_id, 7, -0.1) for token_id in ids]


def spoken(ids: list[int], frames: list[int]) -> list[Token]:
    return [Token(token_id, frame, -0.1) for token_id, frame in zip(ids, frames, strict=True)]


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
    assert loop_start(standing(said)) == start


@given(tokens, st.lists(st.integers(0, 3), min_size=1, max_size=MAX_PERIOD), st.integers(4, 9))
def test_whatever_is_said_before_four_copies_they_are_found(
    before: list[int], unit: list[int], copies: int
) -> None:
    start = loop_start(standing([*before, *unit * copies]))
    assert start is not None
    assert start <= len(before) + len(unit)


@given(tokens)
def test_what_is_dropped_repeats_what_is_kept(said: list[int]) -> None:
    start = loop_start(standing(said))
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
    assert loop_start(standing(said)) is None


@pytest.mark.parametrize(
    "frames",
    [
        [22, 35, 40, 51, 56, 66, 67, 82, 83, 113, 115, 128],  # "go," six times, one heard late
        [0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51],
    ],
)
def test_what_is_said_again_and_again_is_no_loop(frames: list[int]) -> None:
    assert loop_start(spoken([5, 6] * 6, frames)) is None


@pytest.mark.parametrize(
    "frames",
    [
        [36, 45, 58, 58, 58, 60, 71, 73, 78, 78, 95, 104],  # a copy without sound
        [0, 5, 20, 25, 40, 45, 60, 65, 80, 85, 64, 69],  # attention goes back
        [0, 90, 10, 80, 20, 70, 30, 60, 40, 50, 50, 40],  # half of it does
        [0, 1, 5, 6, 10, 11, 15, 16, 20, 21, 25, 26],  # faster than anybody speaks
    ],
)
def test_a_copy_without_a_sound_of_its_own_makes_a_loop(frames: list[int]) -> None:
    assert loop_start(spoken([5, 6] * 6, frames)) == 2
