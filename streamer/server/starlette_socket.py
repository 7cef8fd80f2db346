"""An accepted Starlette websocket as a connection's `Socket`."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamer.server.sender import SocketClosedError

_GOODBYES: Final = (1000, 1001)
"""How programs close, and pages that are left. All else is an accident."""


class StarletteSocket:
    """An accepted Starlette websocket as a connection's `Socket`.

    Starlette raises RuntimeError (in newer versions a subclass) for calls after the end.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Raises SocketClosedError."""
        try:
            message = await self._websocket.receive()
        except RuntimeError as error:
            raise SocketClosedError("the client left") from error
        if message["type"] == "websocket.disconnect":
            for_good = message.get("code") in _GOODBYES
            raise SocketClosedError("the client left", for_good=for_good)
        text: str | None = message.get("text")
        if text is not None:
            return text
        data: bytes = message["bytes"]
        return data

    async def send(self, text: str) -> None:
        """Raises SocketClosedError."""
        try:
            await self._websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise SocketClosedError("the client left") from error

    async def close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code, reason)
