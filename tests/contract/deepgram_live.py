"""Deepgram's own SDK, pointed at a server: a live connection, and what it has got so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment
from deepgram.listen.v1.socket_client import AsyncV1SocketClient
from deepgram.listen.v1.types import ListenV1Results
from deepgram.listen.v2.socket_client import AsyncV2SocketClient

from tests.contract.conftest import RATE
from tests.serving import ServerThread

PACE_S = 0.02
"""Between chunks of 100 ms: five times as fast as speech."""
Connection = TypeVar("Connection", AsyncV1SocketClient, AsyncV2SocketClient)
LINEAR16 = {"model": "nova-3", "encoding": "linear16", "sample_rate": RATE}


def environment(server: ServerThread) -> DeepgramClientEnvironment:
    http = server.http_url.rstrip("/")
    ws = http.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)


class Live(Generic[Connection]):
    """A connection of the SDK, and what it has got so far."""

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection = connection
        self.messages: list[Any] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.connection:
            self.messages.append(message)

    async def say(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            await self.connection.send_media(chunk)
            await asyncio.sleep(PACE_S)

    async def until(self, condition: Any) -> Any:
        async with asyncio.timeout(30):
            while not (found := [m for m in self.messages if condition(m)]):
                await asyncio.sleep(0.01)
        return found[0]

    async def close(self) -> None:
        """Everything comes before the server closes."""
        await self.connection.send_close_stream()
        async with asyncio.timeout(30):
            await self._reading

    @property
    def results(self) -> list[ListenV1Results]:
        return [m for m in self.messages if isinstance(m, ListenV1Results)]

    @property
    def finals(self) -> list[ListenV1Results]:
        return [result for result in self.results if result.is_final]

    @property
    def transcript(self) -> str:
        return " ".join(text for result in self.finals if (text := transcript_of(result)))


def transcript_of(result: ListenV1Results) -> str:
    return result.channel.alternatives[0].transcript


@asynccontextmanager
async def live(server: ServerThread, **options: Any) -> AsyncIterator[Live[AsyncV1SocketClient]]:
    client = AsyncDeepgramClient(api_key="any", environment=environment(server))
    async with client.listen.v1.connect(**(LINEAR16 | options)) as connection:
        yield Live(connection)
