"""A websocket to the server, and the events that come over it."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI

from streamer.protocol.messages import SERVER_EVENT, ServerEvent

_MAX_EVENT_BYTES: Final = 16 * 2**20
_DIRECT_TIMEOUT_S: Final = 5.0


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


class DirectWay:
    """Leads to the server itself, around what stands before several, where it can be had."""

    def __init__(self, url: str, token: str | None) -> None:
        """`url`: of what stands before the servers."""
        self._is_secure = url.startswith("wss:")
        self._token = token
        self._in_vain: set[str] = set()

    async def open(self, url: str) -> ClientConnection | None:
        """A websocket there; None if there is no way, also if it would be less safe: the token and
        the sound must not leave TLS. An address is not tried again until it `works`."""
        if url in self._in_vain or (self._is_secure and not url.startswith("wss:")):
            return None
        self._in_vain.add(url)
        try:
            return await open_websocket(url, self._token, _DIRECT_TIMEOUT_S)
        except UnreachableError:
            return None

    def works(self, url: str) -> None:
        """The session goes on there."""
        self._in_vain.discard(url)


def read_event(text: str | bytes) -> ServerEvent | None:
    """None for a type that came with a newer server. Raises ValidationError."""
    try:
        return SERVER_EVENT.validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "union_tag_invalid":
            return None
        raise
