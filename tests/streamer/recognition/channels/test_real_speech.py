"""Two people at once, real speech and real models: each side reads as it does alone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import pytest_asyncio

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.address import websocket_url
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import connect
from streamer.client.follow import Follower, follow
from streamer.client.transcript import Transcript
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import StartMessage
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import serve_page
from tests.sockets import cutting_proxy
from tests.streamer.recognition.speakers.two_readers import two_readers

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

QUICK: Final = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.1)
MONO: Final = StartMessage(decoder="draft", emotion=False, live=False)
BOTH: Final = MONO.model_copy(update={"channels": 2})


def said(transcript: Transcript, channel: int = 0) -> list[tuple[str, float, float]]:
    segments = [one for one in transcript.segments if one.channel == channel]
    return [(word.text, word.start_ms, word.end_ms) for one in segments for word in one.words]


def text(transcript: Transcript, channel: int) -> str:
    return " ".join(word for word, _, _ in said(transcript, channel))


@pytest.fixture(scope="module")
def sides() -> list[tuple[Floats, str]]:
    """The second speaker begins while the first is speaking."""
    clips = [clip for clip in bundled_speech() if clip.label is None][:2]
    spoken = [read_samples(clip.path) for clip in clips]
    spoken[1] = np.concatenate([np.zeros(2 * SAMPLE_RATE, np.float32), spoken[1]])
    longest = max(map(len, spoken)) + SAMPLE_RATE
    padded = [np.pad(samples, (0, longest - len(samples))) for samples in spoken]
    return [(samples, clip.text) for samples, clip in zip(padded, clips, strict=True)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(engine: Engine) -> AsyncIterator[str]:
    async with serve_page(engine, ServerOptions(heartbeat_s=0.02)) as page:
        yield websocket_url(page)


async def test_each_side_reads_as_alone_over_a_cut_and_for_who_follows(
    url: str, sides: list[tuple[Floats, str]]
) -> None:
    alone = []
    for samples, _ in sides:
        async with connect(url, MONO) as client:
            await client.send_audio(samples)
            await client.stop()
            alone.append(said(client.transcript))
    sound = np.stack([samples for samples, _ in sides], axis=1)
    middle = len(sound) // 2
    async with (
        cutting_proxy(url) as proxy,
        connect(proxy.url, BOTH, reconnect=QUICK) as client,
        asyncio.timeout(120),
    ):
        assert client.ready is not None
        assert client.ready.follow_id is not None
        async with follow(client.ready.follow_id, url) as follower:
            following = asyncio.create_task(_read(follower))
            await client.send_audio(sound[:middle])
            while not client.transcript.committed:
                await asyncio.sleep(0.01)
            proxy.cut()
            await client.send_audio(sound[middle:])
            bye = await client.stop()
            await following
    assert proxy.connections == 2
    assert client.lost_samples == 0
    for transcript in (client.transcript, follower.transcript):
        ids = sorted(word.id for word in transcript.committed)
        assert ids == list(range(bye.words))
        for channel, words in enumerate(alone):
            assert said(transcript, channel) == words


async def test_people_are_told_apart_on_each_side(
    url: str, sides: list[tuple[Floats, str]]
) -> None:
    talk = two_readers()
    near = np.resize(sides[0][0], len(talk))
    async with connect(url, BOTH.model_copy(update={"speakers": True})) as client:
        assert client.ready is not None
        assert client.ready.follow_id is not None
        async with follow(client.ready.follow_id, url) as follower:
            following = asyncio.create_task(_read(follower))
            await client.send_audio(np.stack([near, talk], axis=1))
            await client.stop()
            await following
    for transcript in (client.transcript, follower.transcript):
        labels: dict[int, list[int | None]] = {0: [], 1: []}
        for segment in transcript.segments:
            assert {word.speaker for word in segment.words} == {segment.speaker}
            if labels[segment.channel][-1:] != [segment.speaker]:
                labels[segment.channel].append(segment.speaker)
        assert labels == {0: [0], 1: [1, 3, 1]}


async def _read(follower: Follower) -> None:
    async for _ in follower:
        pass


async def test_a_killed_server_says_nothing_of_either_side_twice(
    engine: Engine, sides: list[tuple[Floats, str]], tmp_path: Path
) -> None:
    sound = np.stack([samples for samples, _ in sides], axis=1)
    middle = 6 * SAMPLE_RATE
    store, left = tmp_path / "store.db", tmp_path / "left.db"
    async with (
        serve_page(engine, ServerOptions(heartbeat_s=0.02, store=store)) as page,
        cutting_proxy(websocket_url(page)) as proxy,
        connect(proxy.url, BOTH, reconnect=QUICK) as client,
        asyncio.timeout(120),
    ):
        await client.send_audio(sound[:middle])
        while len({one.channel for one in client.transcript.open if one.committed}) < 2:
            await asyncio.sleep(0.01)
        proxy.refusing = True
        proxy.cut()
        for suffix in ("", "-wal"):  # as a kill leaves it
            shutil.copy(f"{store}{suffix}", f"{left}{suffix}")
        revived = ServerOptions(heartbeat_s=0.02, store=left)
        async with serve_page(engine, revived) as second:
            proxy.lead_to(second)
            await client.send_audio(sound[middle:])
            await client.stop()
    for channel, (_, expected) in enumerate(sides):
        assert word_errors(expected, text(client.transcript, channel)).rate <= 0.25
        starts = [start for _, start, _ in said(client.transcript, channel)]
        assert starts == sorted(starts)
