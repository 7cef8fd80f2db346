"""What happens to a conversation, whatever its dialect, over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import numpy as np
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from streamer.app import ServerOptions
from tests.fakes import FakeEngine, eventually, silence, tone
from tests.serving import ServerThread

LISTEN = "v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
REALTIME = "v1/realtime?intent=transcription"


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def address(server: ServerThread, path: str) -> str:
    return server.http_url.replace("http", "ws", 1) + path


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def appended(samples: np.ndarray) -> str:
    audio = base64.b64encode(pcm(samples)).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


async def until(websocket: ClientConnection, condition: Callable[[Any], bool]) -> list[Any]:
    """Messages up to the first that fits."""
    messages: list[Any] = []
    async with asyncio.timeout(20):
        while not messages or not condition(messages[-1]):
            messages.append(json.loads(await websocket.recv()))
    return messages


async def all_of(websocket: ClientConnection) -> list[Any]:
    messages = []
    async with asyncio.timeout(20):
        with suppress(websockets.ConnectionClosedError):  # codes of our own
            async for message in websocket:
                messages.append(json.loads(message))
    return messages


def finals(messages: list[Any]) -> str:
    found = [m["channel"]["alternatives"][0]["transcript"] for m in messages if m.get("is_final")]
    return " ".join(text for text in found if text)


async def test_nothing_received_is_lost_when_the_server_stops(server: ServerThread) -> None:
    async with (
        connect(address(server, LISTEN)) as deepgram,
        connect(address(server, REALTIME)) as openai,
    ):
        await deepgram.send(pcm(tone(1.0)))
        await openai.send(appended(tone(1.5)))
        eventually(lambda: sum(r.steps for r in server.engine.recognizers) >= 3)
        server.begin_stop()
        *captions, metadata, error = await all_of(deepgram)
        *_, completed, failure = await all_of(openai)
    assert finals(captions) == "w0 w8000"
    assert metadata["type"] == "Metadata"
    assert (error["type"], error["variant"]) == ("Error", "SHUTTING_DOWN")
    assert deepgram.close_code == 1001
    assert completed["transcript"] == "w0 w8000"
    assert failure["error"]["type"] == "server_error"
    assert openai.close_code == 1001


async def test_a_recognizer_that_breaks_ends_its_conversation_alone() -> None:
    engine = FakeEngine()
    with ServerThread(engine=engine) as server:
        async with connect(address(server, LISTEN)) as other:
            engine.fail_at_step = 2
            async with connect(address(server, LISTEN)) as websocket:
                await websocket.send(pcm(tone(1.0)))
                messages = await all_of(websocket)
            assert messages[-1]["variant"] == "INTERNAL"
            assert "start a new session" in messages[-1]["description"]
            assert websocket.close_code == 1011
            engine.fail_at_step = 0
            await other.send(pcm(tone(0.5)))
            await other.send(json.dumps({"type": "CloseStream"}))
            assert finals(await all_of(other)) == "w0"
        eventually(lambda: all(recognizer.closed == 1 for recognizer in engine.recognizers))


async def test_without_a_recognizer_there_is_an_error(server: ServerThread) -> None:
    server.engine.broken = True
    async with connect(address(server, LISTEN)) as websocket:
        await websocket.send(pcm(tone(0.5)))
        *_, error = await all_of(websocket)
    assert "could not be set up" in error["description"]
    assert websocket.close_code == 1011


@pytest.mark.parametrize("path", [LISTEN, REALTIME])
async def test_a_silent_client_is_told_and_closed(path: str) -> None:
    with ServerThread(ServerOptions(first_message_timeout_s=0.3)) as server:
        async with connect(address(server, path)) as websocket:
            last = (await all_of(websocket))[-1]
    assert "nothing came for 0.3 s" in json.dumps(last)
    assert websocket.close_code == {LISTEN: 1011, REALTIME: 4408}[path]


async def test_keep_alive_keeps_alive() -> None:
    with ServerThread(ServerOptions(idle_timeout_s=0.5)) as server:
        async with connect(address(server, LISTEN)) as websocket:
            for _ in range(8):
                await websocket.send('{"type": "KeepAlive"}')
                await asyncio.sleep(0.1)
            await websocket.send('{"type": "CloseStream"}')
            assert [m["type"] for m in await all_of(websocket)] == ["Metadata"]
    assert websocket.close_code == 1000


@pytest.mark.parametrize("path", [LISTEN, REALTIME])
async def test_a_flood_of_small_messages_is_stopped(path: str) -> None:
    with ServerThread(ServerOptions(max_messages_per_s=20)) as server:
        async with connect(address(server, path)) as websocket:
            for _ in range(200):
                await websocket.send('{"type": "KeepAlive"}')
            messages = await all_of(websocket)
    assert "small messages a second" in json.dumps(messages[-1])
    assert websocket.close_code == 4429


@pytest.mark.parametrize("path", [LISTEN, REALTIME])
async def test_clients_that_just_leave_leave_nothing_behind(
    path: str, server: ServerThread
) -> None:
    audio: Any = pcm(tone(0.7)) if path == LISTEN else appended(tone(0.7))
    made = server.engine.recognizers
    for number in range(3):
        websocket = await connect(address(server, path))
        await websocket.send(audio)
        await asyncio.to_thread(eventually, lambda wanted=number + 1: len(made) == wanted)
        websocket.transport.abort()
    await asyncio.to_thread(eventually, lambda: all(one.closed == 1 for one in made))
    await asyncio.to_thread(eventually, lambda: server.server.connections == 0)
    assert server.sample("streamer_sessions_active") == 0
    assert server.sample("streamer_audio_seconds_total") > 0


async def test_places_are_shared_among_the_dialects() -> None:
    with ServerThread(ServerOptions(max_sessions=1)) as server:
        async with connect(address(server, LISTEN)) as speaking:
            await speaking.send(pcm(tone(0.1)))
            await asyncio.to_thread(eventually, lambda: server.server.places.taken == 1)
            for path in (LISTEN, REALTIME):
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await connect(address(server, path))
                assert refused.value.response.status_code == 429
                assert b"all 1 sessions are taken" in (refused.value.response.body or b"")
            async with connect(server.url) as native:
                await native.send('{"type": "start"}')
                assert json.loads(await native.recv())["code"] == "too_many_sessions"


async def test_whoever_is_silent_holds_no_place() -> None:
    audio: dict[str, Any] = {LISTEN: pcm(tone(0.5)), REALTIME: appended(tone(0.5))}
    options = ServerOptions(max_sessions=1, max_undecided=4)
    async with AsyncExitStack() as silent:
        with ServerThread(options) as server:
            for path in (LISTEN, REALTIME, LISTEN, "v1/stream"):
                await silent.enter_async_context(connect(address(server, path)))
            oldest = await silent.enter_async_context(connect(address(server, LISTEN)))
            assert server.server.places.taken == 0
            for path in (LISTEN, REALTIME):
                async with connect(address(server, path)) as speaking:
                    await speaking.send(audio[path])
                    await asyncio.to_thread(eventually, lambda: server.server.places.taken == 1)
                await asyncio.to_thread(eventually, lambda: server.server.places.taken == 0)
            await oldest.send('{"type": "KeepAlive"}')  # those before it made room


async def test_who_finds_no_place_is_told_when_he_speaks() -> None:
    with ServerThread(ServerOptions(max_sessions=1)) as server:
        async with connect(address(server, LISTEN)) as late, connect(server.url) as native:
            await native.send('{"type": "start"}')
            assert json.loads(await native.recv())["type"] == "ready"
            await late.send(pcm(tone(0.5)))
            *_, error = await all_of(late)
    assert "all 1 sessions are taken" in error["description"]
    assert late.close_code == 4503


async def test_nobody_is_let_in_while_the_machine_is_behind() -> None:
    with ServerThread(ServerOptions(refuse_lag_ms=50)) as server:
        async with connect(address(server, LISTEN)) as late:
            server.engine.hold.clear()
            await late.send(pcm(tone(0.7)))
            await asyncio.to_thread(eventually, lambda: server.server.places.overdue_ms() > 50)
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(address(server, LISTEN))
            assert "the machine is behind" in refused.value.response.headers["dg-error"]
            async with connect(server.url) as native:
                await native.send('{"type": "start"}')
                assert "the machine is behind" in json.loads(await native.recv())["message"]
            server.engine.hold.set()


async def test_pages_from_elsewhere_may_not_connect(server: ServerThread) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(address(server, LISTEN), origin=websockets.Origin("http://evil.example"))
    assert refused.value.response.status_code == 401


async def test_telephone_audio_is_flushed_to_the_last_sample(server: ServerThread) -> None:
    path = "v1/listen?encoding=mulaw"
    async with connect(address(server, path)) as websocket:
        await websocket.send(bytes(8_000))  # one second at the default rate
        await websocket.send('{"type": "Finalize"}')
        (flushed,) = await until(websocket, lambda m: m.get("from_finalize"))
        await websocket.send('{"type": "CloseStream"}')
        metadata = (await all_of(websocket))[-1]
    assert flushed["duration"] == pytest.approx(1.0, abs=0.001)
    assert metadata["duration"] == pytest.approx(1.0, abs=0.001)


async def test_one_large_message_is_heard_in_pieces(server: ServerThread) -> None:
    async with connect(address(server, REALTIME)) as websocket:
        # It is taken for 24 kHz, so it lasts 8.7 s.
        await websocket.send(appended(np.concatenate([tone(12.0), silence(1.0)])))
        done = (await until(websocket, lambda m: m["type"].endswith("completed")))[-1]
    assert len(done["transcript"].split()) == 16
    assert done["lost_ms"] == 0
