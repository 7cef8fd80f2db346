"""The Python client over a network that breaks, against a real server with fake models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.client.backoff import ReconnectOptions
from streamer.client.client import Client, connect
from streamer.client.resuming.resumable_state import Gap
from streamer.client.transcript import ConnectionLostError, ServerRefusedError
from streamer.protocol.messages import LossEvent, StartMessage
from tests.fakes import silence, tone
from tests.serving import ServerThread
from tests.sockets import CuttingProxy, cutting_proxy

QUICK = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.05, give_up_s=10.0)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.02)) as server:
        yield server


@asynccontextmanager
async def cuttable(
    server: ServerThread,
    start: StartMessage | None = None,
    reconnect: ReconnectOptions = QUICK,
) -> AsyncIterator[tuple[CuttingProxy, Client]]:
    async with (
        cutting_proxy(server.url) as proxy,
        connect(proxy.url, start or StartMessage(), reconnect=reconnect) as client,
    ):
        yield proxy, client


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def test_a_machine_that_slept_loses_nothing() -> None:
    with ServerThread(ServerOptions(idle_timeout_s=0.4, heartbeat_s=0.02)) as server:
        async with connect(server.url, StartMessage(), reconnect=QUICK) as client:
            assert client.ready is not None
            session_id = client.ready.session_id
            await client.send_audio(tone(1.2))
            await until(lambda: server.sample("streamer_sessions_resumed_total") >= 1)
            await client.send_audio(tone(0.8))
            await client.stop()
        assert client.ready.session_id == session_id
        assert client.lost_samples == 0
        assert client.transcript.text == "w0 w8000 w16000 w24000"


@pytest.mark.parametrize("rate", [16_000, 44_100])
async def test_cuts_cost_no_word(server: ServerThread, rate: int) -> None:
    start = StartMessage(sample_rate=rate, live=False)
    async with cuttable(server, start) as (proxy, client):
        for i in range(60):
            await client.send_audio(tone(0.1, rate))
            if i in {3, 4, 20, 45}:
                proxy.cut()
            if i == 30:
                await client.finalize()
                proxy.cut()
            if i % 7 == 0:
                await asyncio.sleep(0.02)
        proxy.cut()
        bye = await client.stop()
        assert proxy.connections > 3
    assert bye.received_ms == pytest.approx(6000, abs=0.1)
    assert (bye.words, bye.segments, client.lost_samples) == (13, 2, 0)
    assert [word.id for word in client.transcript.words] == list(range(13))
    if rate == 16_000:
        spoken = [f"w{n}" for n in (*range(0, 49_600, 8_000), *range(49_600, 96_000, 8_000))]
        assert client.transcript.text.split() == spoken


async def test_events_are_iterated_over_cuts_as_if_there_were_none(server: ServerThread) -> None:
    async with cuttable(server) as (proxy, client):

        async def listen() -> list[str]:
            return [event.type async for event in client]

        listener = asyncio.create_task(listen())
        await client.send_audio(tone(0.7))
        await until(lambda: client.transcript.words)
        proxy.cut()
        await until(lambda: not client.connected)
        await client.send_audio(tone(0.7))
        await until(lambda: client.connected)
        await client.stop()
        types = await listener
    assert types.count("ready") == 2
    assert types.count("segment") == types.count("bye") == 1
    assert "error" not in types


async def test_the_state_of_the_connection_is_told(server: ServerThread) -> None:
    async with cuttable(server) as (proxy, client):

        async def watch() -> list[bool]:
            return [connected async for connected in client.connections()]

        watching = asyncio.create_task(watch())
        await client.send_audio(tone(0.6))
        for connection in (2, 3):
            proxy.refusing = True
            proxy.cut()
            await until(lambda: not client.connected)
            proxy.refusing = False
            await until(lambda: client.connected)
            assert proxy.connections >= connection
        await client.stop()
        assert await watching == [False, True, False, True]


async def test_a_stalled_connection_is_left_for_a_new_one(server: ServerThread) -> None:
    patience = ReconnectOptions(first_delay_s=0.01, stall_s=0.2)
    async with cuttable(server, reconnect=patience) as (proxy, client):
        await client.send_audio(tone(0.6))
        await until(lambda: client.transcript.words)
        proxy.stall()
        await client.send_audio(tone(0.6))
        await until(lambda: proxy.connections == 2)
        bye = await client.stop()
    assert (bye.received_ms, client.transcript.text) == (1200, "w0 w8000 w16000")
    assert server.sample("streamer_errors_total", code="taken_over") == 1


async def test_silence_on_both_sides_is_no_stall(server: ServerThread) -> None:
    patience = ReconnectOptions(stall_s=0.05)
    async with cuttable(server, reconnect=patience) as (proxy, client):
        await client.send_audio(tone(0.6))
        await asyncio.sleep(0.3)
        await client.stop()
        assert proxy.connections == 1


async def test_live_audio_that_outgrows_the_memory_is_a_gap_that_is_told(
    server: ServerThread,
) -> None:
    small = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.02, keep_s=1.0)
    async with cuttable(server, reconnect=small) as (proxy, client):
        await client.send_audio(tone(0.5))
        await until(lambda: client.transcript.words)
        proxy.refusing = True
        proxy.cut()
        await until(lambda: not client.connected)
        for _ in range(30):
            await client.send_audio(tone(0.1))
        proxy.refusing = False
        await until(lambda: client.connected)
        bye = await client.stop()
    assert client.lost_samples == bye.lost_samples == 32_000
    assert bye.received_ms == 3500
    assert client.transcript.text == "w0 w40000 w48000"


async def test_a_lost_session_is_begun_anew_and_said_so() -> None:
    """The server forgets; the client continues ids and times, and repeats what was tentative."""
    options = ServerOptions(heartbeat_s=0.02, resume_s=0.05)
    with ServerThread(options) as server:
        async with cuttable(server, StartMessage(context="before")) as (proxy, client):
            await client.send_audio(tone(1.0))
            await until(
                lambda: [w.state for w in client.transcript.words] == ["committed", "tentative"]
            )
            proxy.refusing = True
            proxy.cut()
            await until(lambda: server.server.places.taken == 0)
            await client.send_audio(tone(0.5))
            proxy.refusing = False
            await until(lambda: client.connected)
            bye = await client.stop()
            assert client.gaps == ()
            assert client.lost_samples == bye.lost_samples == 0
        assert server.engine.recognizers[1].options.context == "before w0"
    # Word 0 was committed and ended at 0.5 s; there the new session begins.
    words = [(word.id, word.text, word.start_ms) for word in client.transcript.words]
    assert words == [(0, "w0", 0), (1, "w0", 500), (2, "w8000", 1000)]
    assert [segment.id for segment in client.transcript.segments] == [0, 1]
    assert (bye.words, bye.segments, bye.received_ms) == (3, 2, 1500)


async def test_what_was_lost_with_a_session_is_told() -> None:
    options = ServerOptions(heartbeat_s=0.02, resume_s=0.05)
    small = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.02, keep_s=1.0)
    with ServerThread(options) as server:
        async with cuttable(server, reconnect=small) as (proxy, client):
            await client.send_audio(np.concatenate([tone(0.5), silence(0.5)]))
            await until(lambda: client.transcript.segments)
            proxy.refusing = True
            proxy.cut()
            await until(lambda: server.server.places.taken == 0)
            for _ in range(25):
                await client.send_audio(tone(0.1))
            proxy.refusing = False
            await until(lambda: client.connected)
            bye = await client.stop()
            events = [event async for event in client]
    # The segment ended at 1.0 s of 3.5 s, and 1 s was kept.
    assert client.gaps == (Gap(16_000, 40_000),)
    (loss,) = [event for event in events if isinstance(event, LossEvent)]
    assert (loss.start_ms, loss.lost_samples, loss.reason) == (1000, 24_000, "gap")
    assert client.lost_samples == bye.lost_samples == 24_000
    assert client.transcript.text == "w0 w0 w8000"
    assert client.transcript.words[1].start_ms == 2500


async def test_a_gap_that_no_session_bears_begins_a_new_one(server: ServerThread) -> None:
    small = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.02, keep_s=1.0)
    async with cuttable(server, StartMessage(sample_rate=8_000), small) as (proxy, client):
        for _ in range(11):
            await client.send_audio(tone(0.1, 8_000))
        await until(lambda: client.transcript.text)
        proxy.refusing = True
        proxy.cut()
        await until(lambda: not client.connected)
        for _ in range(62):
            await client.send_audio(tone(1.0, 8_000))
        proxy.refusing = False
        await until(lambda: client.connected)
        bye = await client.stop()
    assert client.gaps == (Gap(4_000, 8_800 + 61 * 8_000),)
    assert bye.received_ms == pytest.approx(63_100, abs=0.2)
    assert client.transcript.text.split()[:2] == ["w0", "w0"]


async def test_a_server_that_restarts() -> None:
    with ServerThread(ServerOptions(heartbeat_s=0.02)) as old, ServerThread() as new:
        async with cuttable(old) as (proxy, client):
            await client.send_audio(tone(0.7))
            await until(lambda: client.transcript.words)
            proxy._port = int(new.url.split(":")[2].split("/")[0])
            old.begin_stop()
            await until(lambda: proxy.connections == 2 and client.connected)
            await client.send_audio(tone(0.7))
            bye = await client.stop()
            types = [event.type async for event in client]
    # The old server finished what it had.
    assert client.transcript.text == "w0 w8000 w0 w8000"
    assert [segment.start_ms for segment in client.transcript.segments] == [0, 700]
    assert (bye.reason, bye.words) == ("stop", 4)
    assert types.count("bye") == 1
    assert "error" not in types


async def test_a_server_that_stops_when_all_is_said_has_not_failed(server: ServerThread) -> None:
    async with cuttable(server) as (_, client):
        server.engine.hold.clear()
        await client.send_audio(tone(0.7))
        await until(lambda: server.engine.recognizers[0].received_samples == 11_200)
        await until(lambda: client._state.buffer.unacknowledged_samples == 0)
        server.begin_stop()
        await until(lambda: server.server.draining)
        server.engine.hold.set()
        stopping = asyncio.create_task(client.stop())
        with pytest.raises(ServerRefusedError, match="shutting_down"):
            await stopping
        assert client.transcript.text == "w0 w8000"


async def test_it_gives_up_in_the_end(server: ServerThread) -> None:
    brief = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.02, give_up_s=0.1)
    async with cuttable(server, reconnect=brief) as (proxy, client):
        await client.send_audio(tone(1.0))
        await until(lambda: client.transcript.text)
        proxy.refusing = True
        proxy.cut()
        with pytest.raises(ConnectionLostError, match="cannot connect") as caught:
            await client.stop()
        assert caught.value.transcript.text == "w0"
        with pytest.raises(ConnectionLostError):
            await client.send_audio(tone(0.1))
        with pytest.raises(ConnectionLostError):
            await client.finalize()


async def test_it_need_not_reconnect(server: ServerThread) -> None:
    never = ReconnectOptions(give_up_s=0.0)
    async with cuttable(server, reconnect=never) as (proxy, client):
        proxy.cut()
        with pytest.raises(ConnectionLostError, match="broke"):
            await client.stop()
        assert proxy.connections == 1


async def test_who_is_taken_over_does_not_fight_back(server: ServerThread) -> None:
    async with cuttable(server) as (proxy, client):
        session = client._state._session
        async with cuttable(server) as (other_proxy, thief):
            thief._state._session = session
            other_proxy.cut()
            await until(lambda: client._ended)
            with pytest.raises(ServerRefusedError, match="taken_over"):
                await client.stop()
        assert proxy.connections == 1
