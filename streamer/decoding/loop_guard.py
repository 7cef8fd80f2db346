"""Detects a decoder that repeats itself.

A committed repetition would feed itself for ever, so a repeating tail is never committed and
the draft that holds it is dropped. People repeat themselves too: "go, go, go, go" has a sound for
each word. There attention moves on from copy to copy; where a decoder loops it stays, or jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from streamer.decoding.draft import Token
from streamer.decoding.word_times import longest_rising

MAX_PERIOD: Final = 10
MIN_COPIES_OF_ONE: Final = 4
MIN_COPIES: Final = 3
_LEAST_FRAMES: Final = 5
"""From one copy to the next, if each has sound of its own: 0.12 s, and for longer ones 3 frames a
token, twice as fast as people speak. On development recordings copies that were said are 9 frames
apart at least, and of loops the attention of some copies does not move."""
_FRAMES_A_TOKEN: Final = 3
_IN_LINE: Final = 0.8
"""Share of the tokens whose attention must move forward."""


def loop_start(tokens: Sequence[Token]) -> int | None:
    """Index behind the first copy of a repeating tail, or None where nothing repeats.

    A tail repeats if one token stands four times in a row, or a group of two to ten tokens three
    times: more than people say ("no, no, no" has three), unless each copy has a sound of its own.
    Where loops nest, the longest counts.
    """
    starts = []
    ids = [token.id for token in tokens]
    end = len(ids)
    for period in range(1, MAX_PERIOD + 1):
        unit = ids[end - period : end]
        copies = 1
        while end - period * (copies + 1) >= 0 and (
            ids[end - period * (copies + 1) : end - period * copies] == unit
        ):
            copies += 1
        if copies >= (MIN_COPIES_OF_ONE if period == 1 else MIN_COPIES):
            tail = [token.frame for token in tokens[end - period * copies :]]
            if not _has_sound_for_each(tail, period):
                starts.append(end - period * (copies - 1))
    return min(starts, default=None)


def _has_sound_for_each(frames: Sequence[int], period: int) -> bool:
    """Whether attention moves on with every copy."""
    apart = max(_LEAST_FRAMES, _FRAMES_A_TOKEN * period)
    firsts = frames[::period]
    moves = all(after - before >= apart for before, after in pairwise(firsts))
    return moves and len(longest_rising(frames)) >= _IN_LINE * len(frames)
