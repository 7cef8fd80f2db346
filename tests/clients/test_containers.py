"""Containers through the client: over cuts too, and never from their middle on."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.client.backoff import ReconnectOptions
from streamer.client.client import Client, connect
from streamer.client.transcript import ServerRefusedError
from streamer.protocol.messages import Encoding, StartMessage
from tests.fakes import tone
from tests.media import encoded
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

START = StartMessage(encoding=Encoding.CONTAINER)
RECORDED = encoded(tone(3.0), "chromium.webm")
QUICK = ReconnectOptions(give_up_s=20, first_delay_s=0.01)


async def send(client: Client, data: bytes) -> None:
    for at in range(0, len(data), 1_000):
        await client.send_audio(data[at : at + 1_000])


async def test_it_is_captioned() -> None:
    with ServerThread() as server:
        async with connect(server.url, START) as client:
            await send(client, RECORDED)
            bye = await client.stop()
    assert client.transcript.text == "w0 w8000 w16000 w24000 w32000 w40000"
    assert bye.lost_samples == 0


async def test_a_cut_loses_nothing() -> None:
    with ServerThread(ServerOptions(heartbeat_s=0.05)) as server:
        async with (
            cutting_proxy(server.url) as proxy,
            connect(proxy.url, START, reconnect=QUICK) as client,
        ):
            await send(client, RECORDED[:10_000])
            proxy.cut()
            await send(client, RECORDED[10_000:])
            async with asyncio.timeout(30):
                await client.stop()
            assert proxy.connections == 2
    assert client.transcript.text == "w0 w8000 w16000 w24000 w32000 w40000"


async def test_a_session_that_is_gone_is_not_gone_on_with_from_the_middle() -> None:
    with ServerThread(ServerOptions(heartbeat_s=0.05, resume_s=0.01)) as server:
        async with (
            cutting_proxy(server.url) as proxy,
            connect(proxy.url, START, reconnect=QUICK) as client,
        ):
            await send(client, RECORDED[:10_000])
            proxy.refusing = True
            proxy.cut()
            await asyncio.sleep(0.2)
            proxy.refusing = False
            with pytest.raises(ServerRefusedError) as caught:
                await asyncio.wait_for(client.stop(), 30)
            assert caught.value.code == "session_expired"


async def test_samples_are_no_container() -> None:
    with ServerThread() as server:
        async with connect(server.url, START) as client:
            with pytest.raises(TypeError, match="sent as the bytes that it is made of"):
                await client.send_audio(np.zeros(100, np.float32))
