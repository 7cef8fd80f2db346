from __future__ import annotations

import asyncio
import errno

from streamer.server.http_protocol import _Farewell


class Transport(asyncio.Transport):
    """One whose peer has reset it, which the event loop has not seen yet."""

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "not connected")


class Before(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost: list[Exception | None] = []

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


async def test_a_peer_that_is_gone_already_is_no_fault_and_is_told_on() -> None:
    """`tests/faults/test_long_heads.py` has the peers that are there."""
    before = Before()
    farewell = _Farewell(before, Transport(), asyncio.get_running_loop())
    gone = ConnectionResetError()
    farewell.connection_lost(gone)
    assert before.lost == [gone]
