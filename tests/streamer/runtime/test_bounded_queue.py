from __future__ import annotations

import asyncio

import pytest

from streamer.runtime.bounded_queue import BoundedQueue


async def test_what_was_put_is_read_then_the_end() -> None:
    outbox: BoundedQueue[int] = BoundedQueue(10)
    outbox.put(1)
    outbox.put(2)
    outbox.close()
    outbox.put(4)
    assert [item async for item in outbox] == [1, 2]


async def test_an_item_may_become_one_with_one_of_the_newest() -> None:
    outbox: BoundedQueue[int] = BoundedQueue(10)
    for item in (1, 11, 2, 13, 5):
        outbox.merge(item, lambda a, b: a + b if a % 2 == b % 2 else None, 2)
    outbox.close()
    assert [item async for item in outbox] == [14, 18]


async def test_the_error_comes_after_the_last_item() -> None:
    outbox: BoundedQueue[int] = BoundedQueue(10)
    outbox.put(1)
    outbox.close(ValueError("broken"))
    outbox.close()
    assert await anext(outbox) == 1
    with pytest.raises(ValueError, match="broken"):
        await anext(outbox)


async def test_room_opens_when_the_reader_takes() -> None:
    outbox: BoundedQueue[int] = BoundedQueue(2)
    await outbox.room()
    outbox.put(1)
    outbox.put(2)
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await anext(outbox)
    await waiting


async def test_closing_wakes_both_sides() -> None:
    outbox: BoundedQueue[int] = BoundedQueue(0)
    outbox.put(1)
    room, reader = asyncio.create_task(outbox.room()), asyncio.create_task(_all(outbox))
    await asyncio.sleep(0)
    outbox.close()
    await room
    assert await reader == [1]


async def _all(outbox: BoundedQueue[int]) -> list[int]:
    return [item async for item in outbox]
