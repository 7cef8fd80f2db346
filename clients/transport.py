"""A websocket to the server, and the events that come over it."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI

from streamer.protocol.messages import SERVER_EVENT, ServerEvent

_MAX_EVENT_BYTES: Final = 16 * 2**20


class UnreachableError(Exception):
    """Nobody answers there, or no caption server."""


async def open_websocket(url: str, token: str | None, timeout_s: float) -> ClientConnection:
    """
    Args:
        token: shown to the server, if it wants one.

    Raises:
        UnreachableError
    """
    headers = {"Authorization": f"Bearer {token}"} if token is not None else None
    try:
        return await connect(
            url,
            additional_headers=headers,
            compression=None,
            max_size=_MAX_EVENT_BYTES,
            open_timeout=timeout_s,
            # A server that holds a fast client back gets to our pings late.
            ping_timeout=None,
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise UnreachableError(f"cannot connect to {url}: {error}") from error


def read_event(text: str | bytes) -> ServerEvent | None:
    """None for a type that came with a newer server. Raises ValidationError."""
    try:
        return SERVER_EVENT.validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "union_tag_invalid":
            return None
        raise
