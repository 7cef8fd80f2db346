"""Several channels in one connection, each a session of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import websockets
from websockets.asyncio.client import connect

from streamer.app import ServerOptions
from tests.fakes import FakeEngine, eventually, silence, tone
from tests.serving import ServerThread

QUERY = "v1/listen?encoding=linear16&sample_rate=16000&channels=2&multichannel=true"
LEFT_FIRST = np.stack(
    [
        np.concatenate([tone(1.0), silence(2.0)]),
        np.concatenate([silence(2.0), tone(0.5), silence(0.5)]),
    ],
    axis=1,
)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def address(server: ServerThread, path: str = QUERY) -> str:
    return server.http_url.replace("http", "ws", 1) + path


def pcm(frames: np.ndarray) -> bytes:
    return (frames * 32_767).astype("<i2").tobytes()


async def heard(server: ServerThread, data: bytes, *, step: int = 6_400) -> list[Any]:
    async with connect(address(server)) as websocket:
        for at in range(0, len(data), step):
            await websocket.send(data[at : at + step])
        await websocket.send('{"type": "Finalize"}')
        await websocket.send('{"type": "CloseStream"}')
        return [json.loads(message) async for message in websocket]


def finals(messages: list[Any], channel: int) -> str:
    texts = [
        message["channel"]["alternatives"][0]["transcript"]
        for message in messages
        if message.get("is_final") and message["channel_index"] == [channel, 2]
    ]
    return " ".join(text for text in texts if text)


@pytest.mark.parametrize("step", [6_400, 3_333])  # the second cuts inside frames
async def test_each_channel_has_its_own_words(server: ServerThread, step: int) -> None:
    *messages, metadata = await heard(server, pcm(LEFT_FIRST), step=step)
    assert finals(messages, 0) == "w0 w8000"
    assert finals(messages, 1) == "w32000"
    flushed = [message["channel_index"] for message in messages if message.get("from_finalize")]
    assert sorted(flushed) == [[0, 2], [1, 2]]
    assert (metadata["type"], metadata["channels"], metadata["duration"]) == ("Metadata", 2, 3.0)
    assert server.sample("streamer_sessions_total") == 2
    assert server.sample("streamer_audio_seconds_total") == pytest.approx(6.0)


async def test_a_place_for_each_channel_or_none() -> None:
    with ServerThread(ServerOptions(max_sessions=3)) as server:
        async with connect(address(server)) as first, connect(address(server)) as late:
            await first.send(pcm(LEFT_FIRST))
            await asyncio.to_thread(eventually, lambda: server.server.places.taken == 2)
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(address(server))
            assert refused.value.response.status_code == 429
            assert "all but 1 of 3 sessions are taken" in refused.value.response.headers["dg-error"]
            await late.send(pcm(LEFT_FIRST))  # it came when there was room
            *_, error = [json.loads(message) async for message in _until_closed(late)]
            assert error["variant"] == "TOO_MANY_SESSIONS"
            assert server.server.places.taken == 2
        await asyncio.to_thread(eventually, lambda: server.server.places.taken == 0)
        assert all(one.closed == 1 for one in server.engine.recognizers)


async def _until_closed(websocket: Any) -> Any:
    try:
        async for message in websocket:
            yield message
    except websockets.ConnectionClosedError:
        return


async def test_if_one_channel_breaks_all_end() -> None:
    engine = FakeEngine()
    with ServerThread(engine=engine) as server:
        engine.fail_at_step = 2
        async with connect(address(server)) as websocket:
            await websocket.send(pcm(LEFT_FIRST))
            *_, error = [json.loads(message) async for message in _until_closed(websocket)]
        assert error["variant"] == "INTERNAL"
        await asyncio.to_thread(eventually, lambda: server.server.places.taken == 0)
        assert len(engine.recognizers) == 2
        assert all(one.closed == 1 for one in engine.recognizers)


async def test_the_handshake_says_which_model_answers_and_what_was_in_vain(
    server: ServerThread,
) -> None:
    async with connect(address(server, f"{QUERY}&model=whatever-tiny&keyterm=")) as websocket:
        assert websocket.response is not None
        headers = websocket.response.headers
    assert headers["streamer-model"] == "streamer-draft"
    assert headers["streamer-warning"] == "keyterm: is empty, and counts as left out"
