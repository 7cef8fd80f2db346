"""OpenAI's own SDK, pointed at a server: a live connection, and what it has got so far."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from openai import AsyncOpenAI
from openai.resources.beta.realtime.realtime import AsyncRealtimeConnection as BetaConnection
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.serving import ServerThread

PACE_S = 0.02
RATE = 24_000
Connection = TypeVar("Connection", AsyncRealtimeConnection, BetaConnection)
TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Live(Generic[Connection]):
    """A connection of the SDK, and what it has got so far."""

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection = connection
        self.events: list[Any] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.connection:
            self.events.append(event)

    async def say(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            audio = base64.b64encode(chunk).decode()
            await self.connection.input_audio_buffer.append(audio=audio)
            await asyncio.sleep(PACE_S)

    async def until(self, condition: Callable[[Any], bool], count: int = 1) -> Any:
        """The event that makes it so many."""
        async with asyncio.timeout(30):
            while len(found := [e for e in self.events if condition(e)]) < count:
                await asyncio.sleep(0.01)
        return found[-1]

    async def until_type(self, name: str, count: int = 1) -> Any:
        return await self.until(lambda event: event.type == name, count)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def completed(self) -> list[Any]:
        return [event for event in self.events if event.type == f"{TRANSCRIPTION}.completed"]

    def deltas(self, item_id: str) -> str:
        found = [e for e in self.events if e.type == f"{TRANSCRIPTION}.delta"]
        return "".join(event.delta for event in found if event.item_id == item_id)


def client(server: ServerThread, key: str = "any") -> AsyncOpenAI:
    http = f"{server.http_url}v1"
    # The beta client would use TLS if it were not told.
    return AsyncOpenAI(api_key=key, base_url=http, websocket_base_url=http.replace("http", "ws", 1))


@asynccontextmanager
async def live(
    server: ServerThread, key: str = "any", **query: str
) -> AsyncIterator[Live[AsyncRealtimeConnection]]:
    connecting = client(server, key).realtime.connect(
        extra_query={"intent": "transcription"} | query
    )
    async with connecting as connection:
        session = Live(connection)
        await session.until_type("session.created")
        yield session


def pcm(samples: npt.NDArray[np.float32]) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def settings(**given: Any) -> Any:
    """A transcription session's, in the GA shape."""
    return {"type": "transcription", "audio": {"input": given}}
