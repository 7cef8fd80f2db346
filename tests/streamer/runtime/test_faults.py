from __future__ import annotations

import asyncio
import gc

import pytest

from streamer.runtime.faults import fault_line, retrieved
from tests.conversations import log_records


def breaks(secret: str) -> None:
    raise ValueError(secret)


def breaks_in_turn(secret: str) -> None:
    try:
        breaks(secret)
    except ValueError as error:
        raise RuntimeError(secret) from error


def test_a_fault_is_told_by_type_and_place_in_one_line_without_its_message() -> None:
    with pytest.raises(RuntimeError) as caught:
        breaks_in_turn("Quetzalcoatl\nTraceback")
    line = fault_line(caught.value)
    first, second = line.split(", because of ")
    assert first.startswith("RuntimeError < runtime/test_faults.py:")
    assert second.startswith("ValueError < runtime/test_faults.py:")
    assert first.count("test_faults.py") == 2  # innermost first, then who called it
    assert "Quetzalcoatl" not in line
    assert "\n" not in line


def test_errors_that_are_behind_each_other_are_told_once() -> None:
    one, two = ValueError("a"), KeyError("b")
    one.__cause__, two.__cause__ = two, one
    assert fault_line(one) == "ValueError, because of KeyError"


def test_deep_calls_are_cut_short() -> None:
    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError
        dive(depth - 1)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - it has no message
        dive(500)
    assert fault_line(caught.value).count(" < ") <= 12


def test_a_task_that_nobody_asks_leaves_no_traceback() -> None:
    async def fails() -> None:
        raise ValueError("Quetzalcoatl")

    async def run(*, covered: bool) -> None:
        task = asyncio.create_task(fails())
        if covered:
            task.add_done_callback(retrieved)
        await asyncio.wait({task})

    for covered in (True, False):
        with log_records() as records:
            asyncio.run(run(covered=covered))
            gc.collect()
        assert bool(records) is not covered
