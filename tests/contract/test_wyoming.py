"""The `wyoming` package's own client, pointed at this server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from streamer.app import ServerOptions
from tests.contract.conftest import RATE, Speech
from tests.fakes import FakeEngine, eventually, tone
from tests.serving import ServerThread


@asynccontextmanager
async def connected(server: ServerThread) -> AsyncIterator[AsyncTcpClient]:
    address = urlsplit(server.server.wyoming_address or "")
    async with AsyncTcpClient(address.hostname or "", address.port or 0) as client:
        yield client


async def say(client: AsyncTcpClient, chunks: list[bytes], rate: int = RATE, **how: Any) -> None:
    shape = {"rate": rate, "width": 2, "channels": 1} | how
    await client.write_event(AudioStart(**shape).event())
    for chunk in chunks:
        await client.write_event(AudioChunk(audio=chunk, **shape).event())
        await asyncio.sleep(0.02)
    await client.write_event(AudioStop().event())


async def heard(client: AsyncTcpClient, last: type[Any] = TranscriptStop) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(30):
        while not events or not last.is_type(events[-1].type):
            event = await client.read_event()
            assert event is not None, events
            events.append(event)
    return events


@pytest.mark.slow
async def test_voice_commands_one_after_the_other(server: ServerThread, speech: Speech) -> None:
    async with connected(server) as client:
        await client.write_event(Describe().event())
        (described,) = await heard(client, Info)
        (program,) = Info.from_event(described).asr
        assert program.supports_transcript_streaming
        assert not program.requires_external_vad
        names = [model.name for model in program.models]
        assert names == ["streamer", "streamer-draft", "streamer-fused"]
        await client.write_event(Ping("here?").event())
        (answer,) = await heard(client, Pong)
        assert Pong.from_event(answer).text == "here?"

        for name, rate in (("streamer", RATE), ("streamer-draft", 48_000)):
            transcribe = Transcribe(name=name, language="en", transcript_names=["Ada"])
            asked = transcribe.event()
            asked.data["emotion"] = True
            await client.write_event(asked)
            await say(client, speech.chunks(rate), rate)
            start, *chunks, whole, stop = await heard(client)
            assert TranscriptStart.is_type(start.type)
            assert TranscriptStop.is_type(stop.type)
            transcript = Transcript.from_event(whole)
            assert speech.errors_in(transcript.text) <= 0.15
            assert transcript.language == "en"
            assert len(chunks) > 1
            texts = [TranscriptChunk.from_event(chunk).text for chunk in chunks]
            assert "".join(texts) == transcript.text
            assert sum(whole.data["emotion"]["probs"].values()) == pytest.approx(1, abs=0.01)


@pytest.fixture
def fake_server() -> Any:
    with ServerThread(ServerOptions(wyoming_port=0), FakeEngine()) as server:
        yield server


async def test_silence_gives_an_empty_transcript(fake_server: ServerThread) -> None:
    async with connected(fake_server) as client:
        await say(client, [bytes(3_200)] * 3, channels=2)
        start, whole, _ = await heard(client)
        assert TranscriptStart.is_type(start.type)
        assert Transcript.from_event(whole).text == ""


async def test_audio_may_come_without_its_start(fake_server: ServerThread) -> None:
    loud = (tone(1.0) * 32_767).astype("<i2").tobytes()
    async with connected(fake_server) as client:
        chunk = AudioChunk(rate=RATE, width=2, channels=1, audio=loud)
        await client.write_event(chunk.event())
        await client.write_event(AudioStop().event())
        *_, whole, _ = await heard(client)
        assert Transcript.from_event(whole).text == "w0 w8000"
        assert whole.data["model"] == "streamer-draft"


async def test_any_model_answers_and_what_is_empty_is_told(fake_server: ServerThread) -> None:
    async with connected(fake_server) as client:
        transcribe = Transcribe(name="whisper", transcript_names=["", "Ada"])
        await client.write_event(transcribe.event())
        await say(client, [bytes(3_200)])
        _, whole, _ = await heard(client)
        assert whole.data["model"] == "streamer-draft"
        (warning,) = whole.data["warnings"]
        assert warning == "transcript_names, transcript_terms: is empty, and counts as left out"
        assert fake_server.engine.recognizers[-1].options.hot_words == ("Ada",)


@pytest.mark.parametrize(
    ("events", "advice"),
    [
        ([Transcribe(language="tlh").event()], "'tlh' is not known; use auto, or one of de, en"),
        ([Transcribe(name="streamer-best").event()], "use one of streamer, streamer-draft"),
        ([Event("transcribe", {"transcript_terms": "Ada"})], "must be a list of strings"),
        ([AudioStart(rate=RATE, width=3, channels=1).event()], "use 2"),
        ([AudioStart(rate=RATE, width=2, channels=9).event()], "channels: 9 is out of range"),
        ([AudioStart(rate=1_000, width=2, channels=1).event()], "1000 Hz is out of range"),
        ([Event("audio-start")], "all three must be whole numbers"),
        ([AudioStop().event()], "without audio before it"),
    ],
)
async def test_what_is_not_to_be_had_is_refused_with_advice(
    fake_server: ServerThread, events: list[Event], advice: str
) -> None:
    async with connected(fake_server) as client:
        for event in events:
            await client.write_event(event)
        (error,) = await heard(client, Error)
        assert advice in Error.from_event(error).text
        assert await client.read_event() is None  # a client that waits for a transcript ends


@pytest.mark.parametrize(
    ("sent", "advice"),
    [
        (b"not json\n", "expected a JSON object"),
        (b"[]\n", "expected a JSON object"),
        (b'{"type": 3}\n', "type must be a string"),
        (b'{"type": "ping", "data_length": 2}\n[]', "expected a JSON object"),
        (b'{"type": "ping", "data_length": -2}\n', "data_length must be a whole number"),
        (b'{"type": "audio-chunk", "payload_length": 99999999}\n', "send at most 1048576 bytes"),
        (b"x" * 70_000, "no line end within 65536 bytes"),
    ],
)
async def test_malformed_events(fake_server: ServerThread, sent: bytes, advice: str) -> None:
    address = urlsplit(fake_server.server.wyoming_address or "")
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    error = json.loads(await reader.readline())
    assert error["type"] == "error"
    assert advice in error["data"]["text"]
    writer.close()
    await asyncio.to_thread(eventually, lambda: fake_server.server.connections == 0)


async def test_places_are_shared_with_everybody_else() -> None:
    options = ServerOptions(wyoming_port=0, max_sessions=1)
    with ServerThread(options) as server:
        async with connected(server) as first:
            await first.write_event(AudioStart(rate=RATE, width=2, channels=1).event())
            chunk = AudioChunk(rate=RATE, width=2, channels=1, audio=bytes(RATE))
            await first.write_event(chunk.event())
            await asyncio.to_thread(eventually, lambda: server.server.places.taken == 1)
            async with connected(server) as second:
                (error,) = await heard(second, Error)
                assert Error.from_event(error).code == "too_many_sessions"
            server.begin_stop()
            *_, error = await heard(first, Error)
            assert Error.from_event(error).code == "shutting_down"
