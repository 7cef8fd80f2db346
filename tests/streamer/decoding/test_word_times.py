from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.word_times import rising, spread
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES

FRAMES = st.lists(st.integers(0, 400), max_size=40)


@pytest.mark.parametrize(
    ("frames", "placed"),
    [
        ([], []),
        ([7], [7]),
        ([3, 3, 9, 20], [3, 3, 9, 20]),
        ([100, 20, 30, 40], [19, 20, 30, 40]),  # begins inside a word
        ([10, 90, 30, 40], [10, 20, 30, 40]),
        ([10, 20, 30, 0], [10, 20, 30, 30]),
        ([100, 2, 4, 6], [1, 2, 4, 6]),
    ],
)
def test_what_steps_out_of_line_is_put_between_its_neighbours(
    frames: list[int], placed: list[int]
) -> None:
    assert rising(frames) == placed


@given(FRAMES)
def test_frames_never_fall_and_those_in_line_stay(frames: list[int]) -> None:
    placed = rising(frames)
    assert placed == sorted(placed)
    assert len(placed) == len(frames)
    assert all(frame >= 0 for frame in placed)
    assert rising(sorted(frames)) == sorted(frames)
    assert not frames or any(a == b for a, b in zip(frames, placed, strict=True))


@given(FRAMES, st.integers(0, 100), st.integers(0, 500))
def test_words_are_a_frame_apart_where_there_is_room(
    frames: list[int], earliest: int, length: int
) -> None:
    starts = [frame * FRAME_SAMPLES for frame in sorted(frames)]
    first = earliest * FRAME_SAMPLES
    end = max(first, length * FRAME_SAMPLES)
    placed = spread([min(start, end) for start in starts], first, end)
    assert placed == sorted(placed)
    assert all(first <= start <= end for start in placed)
    if len(starts) * FRAME_SAMPLES <= end - first:
        assert all(b - a >= FRAME_SAMPLES for a, b in pairwise([*placed, end]))


def test_words_that_have_room_stay_where_they_are() -> None:
    starts = [0, FRAME_SAMPLES, 5 * FRAME_SAMPLES]
    assert spread(starts, 0, 10 * FRAME_SAMPLES) == starts
