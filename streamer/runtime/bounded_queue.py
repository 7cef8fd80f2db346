"""A bounded queue between a session and whoever sends its events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """Items in order, for one reader; all calls belong on the event loop.

    `put` never blocks, as an item that exists cannot be refused; the producer asks for
    `room` before it starts work that makes items.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._closed = False
        self._error: Exception | None = None
        self._readable = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Append; dropped once the outbox is closed."""
        if self._closed:
            return
        self._items.append(item)
        self._readable.set()
        if len(self._items) >= self._limit:
            self._roomy.clear()

    def merge(self, item: T, joined: Callable[[T, T], T | None], depth: int) -> None:
        """Append, or put what `joined` makes of one of the newest `depth` items and this one in
        the place of that."""
        for at in range(len(self._items) - 1, max(-1, len(self._items) - 1 - depth), -1):
            both = joined(self._items[at], item)
            if both is not None:
                self._items[at] = both
                return
        self.put(item)

    async def room(self) -> None:
        """Wait until there are fewer items than the limit, or the outbox is closed."""
        await self._roomy.wait()

    def close(self, error: Exception | None = None) -> None:
        """The reader gets what is left, then `error` or the end. Only the first call counts."""
        if self._closed:
            return
        self._closed = True
        self._error = error
        self._readable.set()
        self._roomy.set()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """Raises the error the outbox was closed with, after the last item."""
        while not self._items:
            if self._closed:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._readable.clear()
            await self._readable.wait()
        item = self._items.popleft()
        if len(self._items) < self._limit:
            self._roomy.set()
        return item
