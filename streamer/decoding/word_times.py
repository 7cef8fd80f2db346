"""When words begin, from where the decoder's attention rests.

Attention mostly moves with the sound, but now and then a token rests far from its own: at the cut
when the audio begins inside a word, or on a sound alike. Its neighbours tell where it belongs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from streamer.models.moonshine.tokenizer import FRAME_SAMPLES

_LEAST_SAMPLES: Final = FRAME_SAMPLES
"""Between the beginnings of two words: attention tells no less."""


def rising(frames: Sequence[int]) -> list[int]:
    """The frames of tokens in order, with those that step out of line put between their neighbours.

    In line are those of the longest subsequence that never falls (patience sorting, Fredman 1975).
    """
    kept = longest_rising(frames)
    if len(kept) == len(frames):
        return list(frames)
    placed = list(frames)
    for before, after in zip([-1, *kept], [*kept, len(frames)], strict=True):
        low = frames[before] if before >= 0 else None
        high = frames[after] if after < len(frames) else None
        first, last = (low if low is not None else high), (high if high is not None else low)
        assert first is not None
        assert last is not None
        # In front of all others there is room for a frame each, perhaps.
        if low is None:
            first = max(0, last - (after - before))
        for at in range(before + 1, after):
            placed[at] = first + (last - first) * (at - before) // (after - before)
    return placed


def spread(starts: Sequence[int], earliest: int, end: int) -> list[int]:
    """The beginnings of words, none before `earliest`, a frame apart at least as far as there is
    room before `end`."""
    placed: list[int] = []
    for start in starts:
        least = placed[-1] + _LEAST_SAMPLES if placed else earliest
        placed.append(max(start, least))
    latest = end
    for at in range(len(placed) - 1, -1, -1):
        latest -= _LEAST_SAMPLES
        if placed[at] <= latest:
            break
        placed[at] = latest
    if placed and placed[0] < earliest:  # more words than frames
        room = max(0, end - earliest)
        return [earliest + room * at // len(placed) for at in range(len(placed))]
    return placed


def longest_rising(values: Sequence[int]) -> list[int]:
    """Indices of the longest subsequence that never falls."""
    tails: list[int] = []
    """The least value that ends a subsequence of each length."""
    ends: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        length = bisect_right(tails, value)
        before.append(ends[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            ends.append(index)
        else:
            tails[length], ends[length] = value, index
    chain: list[int] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        chain.append(at)
        at = before[at]
    return chain[::-1]
