"""Recordings sent over HTTP: their bytes, within limits, and the wait for what is heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

from starlette.requests import Request

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode

_POLL_S: Final = 1.0
_MIN_BYTES_PER_S: Final = 4_096
"""Over the whole upload; whoever is slower holds a place that others could use."""


async def limited_body(
    request: Request, limit: int, timeout_s: float
) -> AsyncGenerator[bytes, None]:
    """The body. Raises ProtocolError once it is too long or too slow."""
    began_s = time.monotonic()
    received = 0
    chunks = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise _too_slow() from None
        if chunk is None:
            return
        received += len(chunk)
        if received > limit:
            raise ProtocolError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"the upload is larger than {limit} bytes; send it in parts, or live",
            )
        if time.monotonic() - began_s > timeout_s + received / _MIN_BYTES_PER_S:
            raise _too_slow()
        yield chunk


async def client_stayed(request: Request, running: asyncio.Future[None]) -> bool:
    """Wait for what is heard; False as soon as the client has left."""
    while not running.done():
        await asyncio.wait({running}, timeout=_POLL_S)
        if await request.is_disconnected():
            break
    return running.done()


def _too_slow() -> ProtocolError:
    return ProtocolError(
        ErrorCode.IDLE_TIMEOUT, "the upload came too slowly; send it again, or send it live"
    )
