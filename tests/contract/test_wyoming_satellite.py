"""A voice satellite, the home that it belongs to, and this server as the home's ears, all with the
`wyoming` package: the way a command takes through Home Assistant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, Satellite
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import RunSatellite, StreamingStarted, StreamingStopped
from wyoming.server import AsyncEventHandler, AsyncServer, AsyncTcpServer

from tests.contract.conftest import RATE, Speech
from tests.docs.proxies import free_port
from tests.serving import ServerThread

SHAPE = {"rate": RATE, "width": 2, "channels": 1}


class SatelliteHandler(AsyncEventHandler):
    """Has a microphone. As soon as the home is there it hears a command, and says it on."""

    def __init__(self, *args: Any, speech: Speech, heard: list[str]) -> None:
        super().__init__(*args)
        self._speech = speech
        self._heard = heard
        self._speaking: asyncio.Task[None] | None = None

    async def handle_event(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            about = Satellite(
                name="kitchen",
                attribution=Attribution("tests", ""),
                installed=True,
                description=None,
                version="1",
            )
            await self.write_event(Info(satellite=about).event())
        elif RunSatellite.is_type(event.type):
            self._speaking = asyncio.create_task(self._speak())
        elif Transcript.is_type(event.type):
            self._heard.append(Transcript.from_event(event).text)
            await self.write_event(StreamingStopped().event())
        return True

    async def _speak(self) -> None:
        run = RunPipeline(start_stage=PipelineStage.ASR, end_stage=PipelineStage.ASR)
        await self.write_event(run.event())
        await self.write_event(StreamingStarted().event())
        await self.write_event(AudioStart(**SHAPE).event())
        for chunk in self._speech.chunks():
            await self.write_event(AudioChunk(audio=chunk, **SHAPE).event())
            await asyncio.sleep(0.02)
        await self.write_event(AudioStop().event())


@asynccontextmanager
async def satellite(speech: Speech, heard: list[str]) -> AsyncIterator[int]:
    """Its port."""
    port = free_port()
    server = AsyncServer.from_uri(f"tcp://127.0.0.1:{port}")
    assert isinstance(server, AsyncTcpServer)
    await server.start(partial(SatelliteHandler, speech=speech, heard=heard))
    try:
        yield port
    finally:
        await server.stop()


async def wanted(client: AsyncTcpClient, kind: type[Any]) -> Event:
    async with asyncio.timeout(30):
        while (event := await client.read_event()) is not None:
            if kind.is_type(event.type):
                return event
    raise AssertionError(f"no {kind.__name__} came")


@asynccontextmanager
async def listener(server: ServerThread) -> AsyncIterator[AsyncTcpClient]:
    address = urlsplit(server.server.wyoming_address or "")
    async with AsyncTcpClient(address.hostname or "", address.port or 0) as client:
        yield client


async def set_up(server: ServerThread) -> str:
    """What the home learns of its ears when they are added; the language to ask for."""
    async with listener(server) as client:
        await client.write_event(Describe().event())
        info = Info.from_event(await wanted(client, Info))
    programs = [program for program in info.asr if program.installed]
    models = [model for program in programs for model in program.models if model.installed]
    assert models
    return next(language for language in models[0].languages if language == "en")


async def carry_out(home: AsyncTcpClient, ears: AsyncTcpClient, language: str) -> list[str]:
    """One command to the ears, the transcript back; gives what was heard meanwhile."""
    run = RunPipeline.from_event(await wanted(home, RunPipeline))
    assert run.start_stage is PipelineStage.ASR
    await ears.write_event(Transcribe(language=language).event())
    await ears.write_event(AudioStart(**SHAPE).event())
    while True:
        event = await home.read_event()
        assert event is not None
        if AudioStop.is_type(event.type):
            break
        if AudioChunk.is_type(event.type):
            await ears.write_event(event)
    await ears.write_event(AudioStop().event())
    chunks: list[str] = []
    while (told := await ears.read_event()) is not None:
        if TranscriptChunk.is_type(told.type):
            chunks.append(TranscriptChunk.from_event(told).text)
        elif Transcript.is_type(told.type):
            await home.write_event(Transcript(Transcript.from_event(told).text).event())
            return chunks
    raise AssertionError("the ears left")


@pytest.mark.slow
async def test_a_command_from_a_satellite(server: ServerThread, speech: Speech) -> None:
    heard: list[str] = []
    language = await set_up(server)
    async with satellite(speech, heard) as port, AsyncTcpClient("127.0.0.1", port) as home:
        await home.write_event(Describe().event())
        assert Info.from_event(await wanted(home, Info)).satellite is not None
        for number in (1, 2):  # each with a connection of its own to the ears
            await home.write_event(RunSatellite().event())
            async with listener(server) as ears:
                chunks = await carry_out(home, ears, language)
            await wanted(home, StreamingStopped)
            assert len(heard) == number
            assert speech.errors_in(heard[-1]) <= 0.15
            assert "".join(chunks) == heard[-1]
