"""Events between the connection that receives them and the user who iterates them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from streamer.protocol.messages import ServerEvent

_MAX_EVENTS: Final = 4096


class EventQueue:
    """A bounded queue for one reader, who may never come.

    Once there is a reader, a full queue makes the writer wait; before that, the oldest events
    give way.
    """

    def __init__(self) -> None:
        self._events: deque[ServerEvent] = deque()
        self._has_reader = False
        self._closed = False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._events)

    async def put(self, event: ServerEvent) -> None:
        async with self._changed:
            if self._has_reader:
                await self._changed.wait_for(lambda: len(self._events) < _MAX_EVENTS)
            elif len(self._events) >= _MAX_EVENTS:
                self._events.popleft()
            self._events.append(event)
            self._changed.notify_all()

    async def get(self) -> ServerEvent | None:
        """Wait for the next event; None once the queue is closed and empty."""
        self._has_reader = True
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._events) or self._closed)
            if not self._events:
                return None
            event = self._events.popleft()
            self._changed.notify_all()
            return event

    async def close(self) -> None:
        """Nothing more will be put."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()
