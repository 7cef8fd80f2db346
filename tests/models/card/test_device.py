from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from streamer.models.card.device import EAGER_RUNS, Card, Timeline, bucket, in_parts
from streamer.models.card.loading import check_memory
from streamer.models.card.slots import WholePools, slot_bytes
from streamer.models.errors import NoRoomError
from streamer.models.moonshine.config import TINY
from streamer.models.onnx.runtime import DeviceUnavailableError


class SmallCard(Card):
    """One with so much memory left."""

    def __init__(self, free_bytes: int) -> None:
        super().__init__("cpu", torch.float16)
        self._free = free_bytes

    def free_bytes(self) -> int:
        return self._free


def test_sizes_come_from_buckets() -> None:
    assert [bucket((1, 8, 32), n) for n in (0, 1, 2, 8, 9, 32)] == [1, 1, 8, 8, 32, 32]
    with pytest.raises(ValueError, match="33 is more than a pass can hold"):
        bucket((1, 8, 32), 33)


def test_a_card_that_is_too_small_tells_how_many_fit() -> None:
    gigabyte = 1 << 30
    each = slot_bytes(TINY, torch.float16)
    check_memory(SmallCard(gigabyte + 113 * each), "states", 100, 113, each)
    with pytest.raises(
        DeviceUnavailableError, match=r"states of 100 sessions do .* room for 87; allow fewer"
    ):
        check_memory(SmallCard(gigabyte + 100 * each), "states", 100, 113, each)
    with pytest.raises(DeviceUnavailableError, match="it has room for 0;"):
        check_memory(SmallCard(0), "states", 1, 2, each)


def test_a_slot_takes_what_is_said(card: Card) -> None:
    def taken(n_slots: int) -> int:
        return WholePools(card, n_slots, TINY).nbytes

    assert taken(2) - taken(1) == slot_bytes(TINY, card.dtype)


def test_memory_that_is_not_there_is_told_in_a_sentence(card: Card) -> None:
    with (
        pytest.raises(DeviceUnavailableError, match="the models do not fit"),
        card.fitting("the models"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")


def test_halves_of_halves() -> None:
    tried: list[int] = []

    def run(requests: Sequence[int]) -> list[int]:
        tried.append(len(requests))
        if len(requests) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [request * 10 for request in requests]

    assert in_parts(run, [1, 2, 3, 4, 5, 6], 4) == [10, 20, 30, 40, 50, 60]
    assert tried == [4, 2, 2, 2]

    def never(requests: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(NoRoomError, match="allow fewer"):
        in_parts(never, [1, 2], 4)


def test_when_passes_ran_is_written_down(card: Card) -> None:
    def double(words: torch.Tensor, times: int) -> torch.Tensor:
        return words * 2 * times

    queue = card.queue("small")
    assert queue.read(double, np.arange(3, dtype=np.int32), 1).tolist() == [0, 2, 4]
    queue.timeline = timeline = Timeline(card)
    assert queue.read(double, np.arange(3, dtype=np.int32), 2).tolist() == [0, 4, 8]
    queue.warm_up(double, np.zeros(1, np.int32), 1)
    spans = timeline.spans()
    assert len(spans) == 1 + EAGER_RUNS + 1
    assert all(name == "small" and what.endswith("double") for name, what, _, _ in spans)
    assert all(0 <= start <= end for _, _, start, end in spans)
