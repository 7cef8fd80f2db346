from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from streamer.app import ServerOptions
from streamer.client import event_queue
from streamer.client.client import Client, connect
from streamer.client.transcript import ConnectionLostError, ServerRefusedError
from streamer.protocol.messages import (
    ByeEvent,
    ConfigureMessage,
    Encoding,
    ErrorEvent,
    ReadyEvent,
    SegmentEvent,
    ServerEvent,
    StartMessage,
)
from streamer.protocol.turns import TurnSettings
from streamer.recognition.turns.options import TurnOptions
from tests.fakes import eventually, tone
from tests.serving import ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token="s3cret", max_message_bytes=20_000)) as server:
        yield server
        eventually(lambda: server.server.connections == 0)


@asynccontextmanager
async def scripted(
    script: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that says what a test wants said; gives its URL."""
    async with serve_websocket(script, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/stream"


READY = {
    "type": "ready",
    "session_id": "x",
    "decoder": "draft",
    "models": {},
    "max_message_bytes": 1000,
    "buffer_ms": 1000,
}
WORD = {"id": 0, "text": "hello", "start_ms": 0, "end_ms": 9, "confidence": 1}
COMMITTED = {
    "type": "words",
    "segment_id": 0,
    "lag_ms": 0,
    "words": [WORD | {"state": "committed"}],
}


@pytest.mark.parametrize("encoding", [Encoding.PCM_S16LE, Encoding.PCM_F32LE])
@pytest.mark.parametrize("kind", ["int16", "bytes", "stereo", "list"])
async def test_sound_may_come_in_any_form(
    server: ServerThread, kind: str, encoding: Encoding
) -> None:
    samples = tone(1.2)
    int16 = (samples * 2**15).astype("<i2")
    byte_type = "<i2" if encoding is Encoding.PCM_S16LE else "<f4"
    sound: Any = {
        "int16": int16,
        "bytes": (int16 if byte_type == "<i2" else samples).tobytes(),
        "stereo": np.stack([int16, int16], axis=1),
        "list": samples.tolist(),
    }[kind]
    async with connect(server.url, StartMessage(encoding=encoding), token="s3cret") as client:
        await client.send_audio(sound)
        await client.stop()
    assert client.transcript.text == "w0 w8000 w16000"


async def test_what_is_no_sound_is_told_and_the_session_goes_on(server: ServerThread) -> None:
    async with connect(server.url, token="s3cret") as client:
        with pytest.raises(ValueError, match="no whole number of samples"):
            await client.send_audio(b"odd")
        with pytest.raises(TypeError, match="floats or integers, or bytes"):
            await client.send_audio("talk.wav")  # type: ignore[arg-type]
        await client.send_audio(tone(1.0))
        await client.stop()
    assert client.transcript.text == "w0 w8000"


async def test_a_session_from_start_to_bye(server: ServerThread) -> None:
    start = StartMessage(sample_rate=48_000, encoding=Encoding.PCM_F32LE)
    async with connect(server.url, start, token="s3cret") as client:
        assert client.ready is not None
        # Longer than a message may be: it is cut into several.
        await client.send_audio(tone(1.2, 48_000))
        await client.finalize()
        client.skip_audio(24_000)
        await client.send_audio(tone(0.5, 48_000), capture_time_ms=1.0)
        bye = await client.stop()
        events = [event async for event in client]
        assert client.bye is bye
    assert (bye.words, bye.segments, bye.lost_samples) == (4, 2, 8_000)
    assert client.lost_samples == 8_000
    assert client.transcript.text == "w0 w8000 w16000 w27200"
    assert isinstance(events[0], ReadyEvent)
    assert isinstance(events[-1], ByeEvent)
    assert sum(isinstance(event, SegmentEvent) for event in events) == 2


async def test_what_is_configured_stays_for_a_session_that_follows(server: ServerThread) -> None:
    async with connect(server.url, StartMessage(context="A talk."), token="s3cret") as client:
        await client.send_audio(tone(0.5))
        await client.configure(ConfigureMessage(hot_words=("Ada",), turns=TurnSettings()))
        await client.send_audio(tone(0.5))
        await client.stop()
        options = server.engine.recognizers[-1].options
        start = client._state.start
    assert (options.hot_words, options.context) == (("Ada",), "A talk.")
    assert options.turns == TurnOptions()
    assert (start.hot_words, start.turns) == (("Ada",), TurnSettings())


async def test_an_address_is_enough(server: ServerThread) -> None:
    async with connect(server.http_url, token="s3cret") as client:
        await client.send_audio(tone(0.5))
        await client.stop()
        assert client.transcript.text == "w0"


async def test_events_can_be_read_while_audio_is_sent(server: ServerThread) -> None:
    async with connect(server.url, StartMessage(), token="s3cret") as client:

        async def listen() -> list[str]:
            return [event.type async for event in client]

        listener = asyncio.create_task(listen())
        for _ in range(10):
            await client.send_audio(tone(0.1))
        await client.stop()
        types = await listener
    assert types[0] == "ready"
    assert types[-1] == "bye"


async def test_a_refused_session_says_why(server: ServerThread) -> None:
    with pytest.raises(ServerRefusedError, match="token missing or wrong") as caught:
        async with connect(server.url, StartMessage(), token="wrong"):
            pytest.fail("should not open")
    assert caught.value.code == "unauthorized"


async def test_an_error_mid_session_keeps_the_transcript(server: ServerThread) -> None:
    async with connect(server.url, StartMessage(), token="s3cret") as client:
        await client.send_audio(tone(0.7))
        client._state._end_offset = 0  # an offset that overlaps
        await client.send_audio(tone(0.1))
        events: list[ServerEvent] = []
        with pytest.raises(ServerRefusedError, match="overlaps") as caught:
            await gather_into(events, client)
        assert any(isinstance(event, ErrorEvent) for event in events)
        assert caught.value.code == "bad_frame"
        assert caught.value.transcript.text == "w0 w8000"
        with pytest.raises(ServerRefusedError):
            await client.send_audio(tone(0.1))
        with pytest.raises(ServerRefusedError):
            await client.stop()


async def gather_into(events: list[ServerEvent], client: Client) -> None:
    async for event in client:
        events.append(event)


async def test_nobody_there() -> None:
    with pytest.raises(ConnectionLostError, match="cannot connect") as caught:
        async with connect("ws://127.0.0.1:9/v1/stream", StartMessage()):
            pytest.fail("should not open")
    assert caught.value.transcript.text == ""


async def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError, match="is no address"):
        async with connect("ftp://localhost"):
            pytest.fail("should not open")


async def test_a_server_that_has_no_captions(server: ServerThread) -> None:
    with pytest.raises(ConnectionLostError, match=r"404|403"):
        async with connect(f"{server.http_url}elsewhere", token="s3cret"):
            pytest.fail("should not open")


async def test_a_server_that_dies_keeps_the_transcript() -> None:
    async def script(websocket: ServerConnection) -> None:
        await websocket.recv()
        await websocket.send(json.dumps(READY))
        await websocket.send(json.dumps(COMMITTED))
        await websocket.recv()
        websocket.transport.abort()

    async with scripted(script) as url, connect(url, StartMessage()) as client:
        with pytest.raises(ConnectionLostError, match="broke") as caught:
            await client.stop()
        assert caught.value.transcript.text == "hello"
        with pytest.raises(ConnectionLostError):
            async for _ in client:
                pass


async def test_a_server_that_closes_without_bye() -> None:
    async def script(websocket: ServerConnection) -> None:
        await websocket.recv()
        await websocket.send(json.dumps(READY))

    async with scripted(script) as url, connect(url, StartMessage()) as client:
        with pytest.raises(ConnectionLostError, match="without bye"):
            async for _ in client:
                pass


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"type": "loss"}, "malformed event"),
        (COMMITTED | {"words": [WORD | {"state": "committed", "id": 7}]}, "contradicts itself"),
    ],
)
async def test_a_server_that_breaks_the_protocol(said: dict[str, object], says: str) -> None:
    async def script(websocket: ServerConnection) -> None:
        await websocket.recv()
        await websocket.send(json.dumps(READY))
        await websocket.send(json.dumps(said))
        await websocket.wait_closed()

    async with scripted(script) as url, connect(url, StartMessage()) as client:
        with pytest.raises(ConnectionLostError, match=says):
            async for _ in client:
                pass


@pytest.mark.parametrize("iterated", [True, False])
async def test_unread_events_are_bounded(iterated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_queue, "_MAX_EVENTS", 5)

    async def script(websocket: ServerConnection) -> None:
        await websocket.recv()
        await websocket.send(json.dumps(READY))
        await websocket.recv()
        for _ in range(50):
            await websocket.send(json.dumps(COMMITTED | {"words": []}))
        bye = ByeEvent(
            reason="stop", received_ms=0, processed_ms=0, lost_samples=0, segments=0, words=0
        )
        await websocket.send(bye.model_dump_json())

    async with scripted(script) as url, connect(url, StartMessage()) as client:
        if iterated:
            await anext(aiter(client))
        await client.finalize()
        if iterated:
            await asyncio.sleep(0.05)
            assert len(client._events) == 5
        else:
            async with asyncio.timeout(20):
                while client.bye is None:
                    await asyncio.sleep(0.005)
            assert len(client._events) == 5
        types = [event.type async for event in client]
    assert types[-1] == "bye"
    assert len(types) == (51 if iterated else 5)


async def test_a_newer_server_is_understood() -> None:
    async def script(websocket: ServerConnection) -> None:
        await websocket.recv()
        await websocket.send(json.dumps(READY | {"mood": "sunny"}))
        await websocket.send('{"type":"weather"}')
        await websocket.send(json.dumps(COMMITTED))
        await websocket.wait_closed()

    async with scripted(script) as url, connect(url, StartMessage()) as client:
        assert [(await anext(client)).type for _ in range(2)] == ["ready", "words"]
        assert client.transcript.text == "hello"


async def test_an_empty_chunk_sends_nothing(server: ServerThread) -> None:
    async with connect(server.url, StartMessage(), token="s3cret") as client:
        await client.send_audio(np.zeros(0, np.float32))
        bye = await client.stop()
    assert bye.received_ms == 0
