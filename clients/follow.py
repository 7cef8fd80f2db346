"""Reads along with somebody's session.

async with follow(follow_id, "localhost:8765") as follower:
    async for event in follower:
        print(follower.transcript.text)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.client.address import DEFAULT_ADDRESS, websocket_url
from streamer.client.transcript import (
    ConnectionLostError,
    ServerRefusedError,
    Transcript,
    TranscriptError,
)
from streamer.client.transport import UnreachableError, open_websocket, read_event
from streamer.protocol.messages import ByeEvent, ErrorEvent, FollowingEvent, ServerEvent

_SILENCE_S: Final = 25.0
"""The server says something every ten seconds at least."""


@asynccontextmanager
async def follow(
    follow_id: str, address: str = DEFAULT_ADDRESS, open_timeout_s: float = 20.0
) -> AsyncIterator[Follower]:
    """Follow the session that has this `follow_id` (its speaker finds it in `ready`).

    Raises:
        ValueError: this is no address.
        ConnectionLostError: nobody answers there.
    """
    url = websocket_url(address).removesuffix("/stream")
    try:
        websocket = await open_websocket(
            f"{url}/follow?session={quote(follow_id, safe='')}", None, open_timeout_s
        )
    except UnreachableError as error:
        raise ConnectionLostError(str(error), Transcript()) from error
    try:
        yield Follower(websocket)
    finally:
        await websocket.close()


class Follower:
    """Iterate for the newest segments, then events as they happen, until the session ends.

    Who does not read is left behind: the server drops a follower with too many unread events.
    """

    def __init__(self, websocket: ClientConnection) -> None:
        self.transcript = Transcript()
        """Of what was followed, and the segments just before."""
        self._websocket = websocket
        self._ended = False

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self

    async def __anext__(self) -> ServerEvent:
        """
        Raises:
            ServerRefusedError: nobody speaks under the id now, or the server ended it; the code
                tells. Follow again later.
            ConnectionLostError: the connection broke. Follow again: what was missed comes first.
        """
        while not self._ended:
            event = await self._next()
            if isinstance(event, FollowingEvent):
                self.transcript = Transcript(event.first_word_id)
            elif isinstance(event, ErrorEvent) and event.fatal:
                raise ServerRefusedError(event.code.value, event.message, self.transcript)
            elif isinstance(event, ByeEvent):
                self._ended = True
            if event is not None:
                return event
        raise StopAsyncIteration

    async def _next(self) -> ServerEvent | None:
        """Raises ConnectionLostError."""
        try:
            async with asyncio.timeout(_SILENCE_S):
                event = read_event(await self._websocket.recv())
            if event is not None:
                self.transcript.apply(event)
        except TimeoutError as error:
            raise ConnectionLostError("the server fell silent", self.transcript) from error
        except ConnectionClosed as error:
            raise ConnectionLostError(f"the connection broke: {error}", self.transcript) from error
        except (ValidationError, TranscriptError) as error:
            raise ConnectionLostError(
                f"the server breaks the protocol: {error}", self.transcript
            ) from error
        return event
