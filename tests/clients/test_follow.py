"""Reading along from Python, against a real server with fake models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from streamer.app import ServerOptions
from streamer.client import Client, ConnectionLostError, ServerRefusedError, connect
from streamer.client import follow as follow_module
from streamer.client.follow import follow
from streamer.protocol.messages import ByeEvent, FollowingEvent
from tests.fakes import silence, tone
from tests.serving import ServerThread


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(followed_segments=1)) as server:
        yield server


def follow_id(client: Client) -> str:
    assert client.ready is not None
    assert client.ready.follow_id is not None
    return client.ready.follow_id


async def test_who_joins_late_gets_the_newest_and_all_that_follows(server: ServerThread) -> None:
    async with connect(server.url) as client:
        for _ in range(3):
            await client.send_audio(tone(0.5))
            await client.send_audio(silence(0.5))
        async with asyncio.timeout(20):
            while len(client.transcript.segments) < 3:
                await asyncio.sleep(0.005)
        async with follow(follow_id(client), server.http_url) as follower:
            first = await anext(follower)
            assert isinstance(first, FollowingEvent)
            await client.send_audio(tone(0.5))
            await client.stop()
            events = [event async for event in follower]
        assert first.first_word_id == 2
        assert isinstance(events[-1], ByeEvent)
        assert follower.transcript.text == "w32000 w48000"
        assert [word.id for word in follower.transcript.words] == [2, 3]
        with pytest.raises(StopAsyncIteration):
            await anext(follower)


async def test_an_unknown_id_is_refused(server: ServerThread) -> None:
    async with follow("nobody/here?", server.url) as follower:
        with pytest.raises(ServerRefusedError) as caught:
            await anext(follower)
    assert caught.value.code == "unknown_session"


async def test_nobody_there() -> None:
    with pytest.raises(ConnectionLostError, match="cannot connect"):
        async with follow("x", "127.0.0.1:9"):
            pytest.fail("should not open")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{}", "breaks the protocol"),
        ("cut", "connection broke"),
        ("", "fell silent"),
        ('{"type": "weather"}', "fell silent"),
    ],
)
async def test_a_server_that_goes_wrong(
    said: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "_SILENCE_S", 0.3)
    word = {"id": 4, "text": "hi", "start_ms": 0, "end_ms": 9, "confidence": 1}
    begin = [
        {"type": "following", "follow_id": "x", "decoder": "draft", "first_word_id": 4},
        {"type": "words", "segment_id": 0, "lag_ms": 0, "words": [word | {"state": "committed"}]},
    ]

    async def script(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        assert websocket.request.path == "/v1/follow?session=x"
        for event in begin:
            await websocket.send(json.dumps(event))
        if said == "cut":
            websocket.transport.abort()
        elif said:
            await websocket.send(said)
        await websocket.wait_closed()

    async with serve_websocket(script, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        async with follow("x", f"127.0.0.1:{port}") as follower:
            with pytest.raises(ConnectionLostError, match=says) as caught:
                async for _ in follower:
                    pass
    assert caught.value.transcript.text == "hi"
