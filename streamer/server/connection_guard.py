"""How many sockets there may be at once, of all protocols together, and who makes room."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, cast

_OTHER_FILES: Final = 256
"""Models, uploads, the system's own."""


def room_for(max_connections: int) -> int:
    """Raise the system's limit of open files as far as this many connections need; gives how many
    it leaves room for."""
    try:
        import resource
    except ImportError:  # not on Windows, where there is no such limit
        return max_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max_connections + _OTHER_FILES
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        max_connections if soft == unlimited else max(1, min(max_connections, soft - _OTHER_FILES))
    )


class ConnectionGuard:
    """Counts sockets. When there are too many, the oldest that waits, as it has not asked for
    anything yet, makes room; an address has half of all at most. Event loop only."""

    def __init__(self, max_connections: int) -> None:
        self._limit = max_connections
        self._limit_per_address = max(1, max_connections // 2)
        self._addresses: dict[asyncio.BaseTransport, str] = {}
        self._per_address: Counter[str] = Counter()
        self._waiting: dict[asyncio.BaseTransport, None] = {}

    def admit(self, transport: asyncio.BaseTransport) -> bool:
        """Count a new socket, which waits. False: there is no room, close it."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        full = len(self._addresses) >= self._limit
        crowded = self._per_address[address] >= self._limit_per_address
        if (full or crowded) and not self._make_room(address if crowded else None):
            return False
        self._addresses[transport] = address
        self._per_address[address] += 1
        self._waiting[transport] = None
        return True

    def settle(self, transport: asyncio.BaseTransport) -> None:
        """It has asked for something."""
        self._waiting.pop(transport, None)

    def wait(self, transport: asyncio.BaseTransport) -> None:
        """It has got its answer, and may ask again."""
        if transport in self._addresses:
            self._waiting[transport] = None

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """It is gone; twice is harmless."""
        self._waiting.pop(transport, None)
        address = self._addresses.pop(transport, None)
        if address is not None:
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

    def _make_room(self, address: str | None) -> bool:
        for transport in self._waiting:
            if address is None or self._addresses[transport] == address:
                self.leave(transport)
                cast(asyncio.WriteTransport, transport).abort()
                return True
        return False
