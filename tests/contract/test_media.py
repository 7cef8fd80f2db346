"""Media of every kind, by the vendors' own clients and the real models: what was said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deepgram import AsyncDeepgramClient

from streamer.audio.files import read_samples
from streamer.client.client import connect
from streamer.client.files import transcribe
from streamer.protocol.messages import Encoding, StartMessage
from streamer.transcript.wer import word_errors
from tests.contract.deepgram_live import Live, environment
from tests.contract.test_openai_files import client
from tests.fakes import silence
from tests.media import INDEX_LAST, KINDS, encoded, written
from tests.serving import ServerThread

pytestmark = pytest.mark.slow

SAID = "I would like a new alarm clock"
LIVE = [name for name in KINDS if name not in INDEX_LAST]


@pytest.fixture(scope="module")
def voice(bundled_speech: Path) -> Any:
    clip = read_samples(bundled_speech / "1083_IWL_NEU_XX.opus")
    return np.concatenate([silence(0.3), clip, silence(0.7)])


@pytest.mark.parametrize("name", KINDS)
def test_uploads(server: ServerThread, voice: Any, name: str) -> None:
    create = client(server).audio.transcriptions.create
    told = create(file=(name, encoded(voice, name)), model="streamer-draft")
    assert word_errors(SAID, told.text).errors <= 1


@pytest.mark.parametrize("name", LIVE)
async def test_live_as_a_browser_records_it(server: ServerThread, voice: Any, name: str) -> None:
    """Deepgram's client says nothing of an encoding; pieces come as they are recorded."""
    data = encoded(voice, name)
    sdk = AsyncDeepgramClient(api_key="any", environment=environment(server))
    async with sdk.listen.v1.connect(model="streamer-draft", interim_results=True) as connection:
        session = Live(connection)
        step = len(data) // 20
        await session.say([data[at : at + step] for at in range(0, len(data), step)])
        await session.close()
    assert word_errors(SAID, session.transcript).errors <= 1
    assert any(not result.is_final for result in session.results)


async def test_our_own_client(server: ServerThread, voice: Any, tmp_path: Path) -> None:
    film = written(tmp_path, voice, "film.mp4")
    told = await transcribe(film, server.http_url, StartMessage(decoder="draft"))
    assert word_errors(SAID, told.text).errors <= 1
    recorded = encoded(voice, "chromium.webm")
    start = StartMessage(encoding=Encoding.CONTAINER, decoder="draft")
    async with asyncio.timeout(30), connect(server.http_url, start) as captions:
        for at in range(0, len(recorded), 1_000):
            await captions.send_audio(recorded[at : at + 1_000])
        await captions.stop()
    assert word_errors(SAID, captions.transcript.text).errors <= 1
