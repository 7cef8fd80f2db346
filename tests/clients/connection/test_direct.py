"""The client goes around what stands before its server, where it is told a way; else it stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from streamer.app import ServerOptions
from streamer.client.backoff import ReconnectOptions
from streamer.client.client import Client, connect
from streamer.client.transport import DirectWay
from streamer.protocol.messages import StartMessage
from tests.fakes import tone
from tests.serving import ServerThread
from tests.sockets import CuttingProxy, cutting_proxy

QUICK = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.05, give_up_s=10.0)
SAID = [f"w{n}" for n in range(0, 16_000, 8_000)]


@dataclass(frozen=True)
class Ways:
    """To one server."""

    server: ServerThread
    front: CuttingProxy
    direct: CuttingProxy


@asynccontextmanager
async def two_ways() -> AsyncIterator[Ways]:
    with ServerThread(ServerOptions(heartbeat_s=0.02, max_parked=1)) as server:
        async with cutting_proxy(server.url) as front, cutting_proxy(server.url) as direct:
            told = replace(server.server.options, direct_url=direct.url)
            server.server.options = told
            yield Ways(server, front, direct)


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def resumed(ways: Ways, times: int) -> None:
    await until(lambda: ways.server.sample("streamer_sessions_resumed_total") == times)


async def speak(client: Client) -> None:
    for _ in range(10):
        await client.send_audio(tone(0.1))
        await asyncio.sleep(0.005)


async def test_sessions_go_on_directly_and_nothing_shows() -> None:
    async with two_ways() as ways:

        async def one() -> None:
            async with connect(ways.front.url, StartMessage(), reconnect=QUICK) as client:
                told: list[str] = []

                async def listen() -> None:
                    told.extend([event.type async for event in client])

                listener = asyncio.create_task(listen())
                await speak(client)
                await until(lambda: client.ready is not None and client.ready.resumed)
                await client.stop()
                await listener
                assert client.transcript.text.split() == SAID
                assert told.count("ready") == told.count("bye") == told.count("segment") == 1
                assert client.lost_samples == 0

        await asyncio.gather(*(one() for _ in range(4)))
        assert (ways.front.connections, ways.direct.connections) == (4, 4)


async def test_where_the_direct_way_is_closed_the_session_stays() -> None:
    async with two_ways() as ways:
        ways.direct.refusing = True
        async with connect(ways.front.url, StartMessage(), reconnect=QUICK) as client:
            await until(lambda: ways.direct.connections == 1)
            await speak(client)
            ways.front.cut()
            await resumed(ways, 1)
            await client.stop()
            assert client.transcript.text.split() == SAID
        assert ways.direct.connections == 1, "it was tried again"


async def test_from_a_direct_way_that_breaks_the_session_comes_back() -> None:
    async with (
        two_ways() as ways,
        connect(ways.front.url, StartMessage(), reconnect=QUICK) as client,
    ):
        await resumed(ways, 1)
        await until(lambda: client.connected)
        ways.direct.refusing = True
        ways.direct.cut()
        await resumed(ways, 2)
        await speak(client)
        await client.stop()
        assert client.transcript.text.split() == SAID
        assert ways.front.connections == 2


async def test_what_came_by_tls_stays_there() -> None:
    async with two_ways() as ways:
        secure = "wss://captions.example/v1/stream"
        assert await DirectWay(secure, "s3cret").open(ways.direct.url) is None
        assert ways.direct.connections == 0
        websocket = await DirectWay(ways.front.url, None).open(ways.direct.url)
        assert websocket is not None
        await websocket.close()
