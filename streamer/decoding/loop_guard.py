"""Detects a decoder that repeats itself.

A committed repetition would feed itself for ever, so a repeating tail is never committed and
the draft that holds it is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_PERIOD = 10
MIN_COPIES_OF_ONE = 4
MIN_COPIES = 3


def loop_start(tokens: Sequence[int]) -> int | None:
    """Index behind the first copy of a repeating tail, or None where nothing repeats.

    A tail repeats if one token stands four times in a row, or a group of two to ten tokens three
    times: more than people say ("no, no, no" has three). Where loops nest, the longest counts.
    """
    starts = []
    end = len(tokens)
    for period in range(1, MAX_PERIOD + 1):
        unit = tokens[end - period : end]
        copies = 1
        while end - period * (copies + 1) >= 0 and (
            tokens[end - period * (copies + 1) : end - period * copies] == unit
        ):
            copies += 1
        if copies >= (MIN_COPIES_OF_ONE if period == 1 else MIN_COPIES):
            starts.append(end - period * (copies - 1))
    return min(starts, default=None)
