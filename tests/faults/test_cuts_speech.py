"""Real speech and real models over a network that is cut: the transcript is that without cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio

from streamer.audio.clock import SAMPLE_RATE, ms_from_samples
from streamer.audio.files import read_samples
from streamer.client.address import websocket_url
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled_speech import bundled_speech
from streamer.client.client import Client, connect
from streamer.client.transcript import Transcript
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import LatencyEvent, StartMessage
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import serve_page
from tests.sockets import CuttingProxy, cutting_proxy

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HOP: Final = 4_096
"""Samples of one step: sent one by one, so that every run takes the same steps."""
QUICK: Final = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.1)
Decoder = Literal["draft", "fused"]


@dataclass
class Speech:
    samples: npt.NDArray[np.float32]
    text: str


@pytest.fixture(scope="module")
def speech() -> Speech:
    """Two recordings, between pauses."""
    clips = [clip for clip in bundled_speech() if clip.label is None][:2]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    parts = [pause]
    for clip in clips:
        parts += [read_samples(clip.path), pause]
    return Speech(np.concatenate(parts), " ".join(clip.text for clip in clips))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(engine: Engine) -> AsyncIterator[str]:
    async with serve_page(engine, ServerOptions(heartbeat_s=0.02)) as page:
        yield websocket_url(page)


class Talk:
    """Speech on its way, hop by hop; `breaks` is asked behind each what to do to the network."""

    def __init__(self, proxy: CuttingProxy, client: Client) -> None:
        self.proxy = proxy
        self.client = client
        self.cuts = 0
        self._processed_ms = 0.0

    async def run(self, speech: Speech, breaks: Callable[[Talk, float], bool]) -> None:
        listener = asyncio.create_task(self._listen())
        for at in range(0, len(speech.samples), HOP):
            piece = speech.samples[at : at + HOP]
            await self.client.send_audio(piece)
            sent_ms = ms_from_samples(at + len(piece))
            if breaks(self, sent_ms):
                await self._reconnected()
            if len(piece) == HOP:
                async with asyncio.timeout(60):
                    while self._processed_ms < sent_ms:
                        await asyncio.sleep(0.005)
        await self.client.stop()
        await listener

    def cut(self) -> None:
        self.cuts += 1
        self.proxy.cut()

    async def _reconnected(self) -> None:
        before = self.proxy.connections
        async with asyncio.timeout(60):
            while self.proxy.connections == before:
                await asyncio.sleep(0.001)

    async def _listen(self) -> None:
        async for event in self.client:
            if isinstance(event, LatencyEvent):
                self._processed_ms = event.processed_ms


async def transcribed(
    url: str, speech: Speech, decoder: Decoder, breaks: Callable[[Talk, float], bool]
) -> tuple[Transcript, int]:
    """The transcript, and how many connections it took."""
    # The emotion classifier runs beside the steps: the LLM hears of it a moment sooner or later.
    start = StartMessage(decoder=decoder, emotion=False)
    async with cutting_proxy(url) as proxy, connect(proxy.url, start, reconnect=QUICK) as client:
        async with asyncio.timeout(300):
            await Talk(proxy, client).run(speech, breaks)
        assert client.lost_samples == 0
        return client.transcript, proxy.connections


def never(talk: Talk, sent_ms: float) -> bool:
    return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def draft(url: str, speech: Speech) -> Transcript:
    """What comes of the speech without cuts."""
    return await uncut(url, speech, "draft")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fused(url: str, speech: Speech) -> Transcript:
    return await uncut(url, speech, "fused")


async def uncut(url: str, speech: Speech, decoder: Decoder) -> Transcript:
    transcript, connections = await transcribed(url, speech, decoder, never)
    assert connections == 1
    assert word_errors(speech.text, transcript.text).rate <= 0.2
    assert [word.id for word in transcript.words] == list(range(len(transcript.words)))
    assert {word.state for word in transcript.words} == {"final"}
    return transcript


def assert_same(cut: Transcript, whole: Transcript) -> None:
    """Ids, texts, times, confidences and states; and the segments."""
    assert cut.words == whole.words
    assert cut.segments == whole.segments


async def test_cut_in_the_middle_of_a_word(url: str, speech: Speech, draft: Transcript) -> None:
    def breaks(talk: Talk, sent_ms: float) -> bool:
        word = next((w for w in draft.words if w.end_ms - w.start_ms > 2 * 256), None)
        assert word is not None
        inside = word.start_ms + 100 < sent_ms < word.end_ms - 100
        if inside and talk.cuts == 0:
            talk.cut()
            return True
        return False

    transcript, connections = await transcribed(url, speech, "draft", breaks)
    assert connections == 1 + 1
    assert_same(transcript, draft)


async def test_cut_in_silence(url: str, speech: Speech, draft: Transcript) -> None:
    def breaks(talk: Talk, sent_ms: float) -> bool:
        first, second = draft.segments[:2]
        quiet = sent_ms < 300 or first.end_ms < sent_ms < second.start_ms
        if quiet and talk.cuts < 2 and (talk.cuts == 0 or sent_ms > 300):
            talk.cut()
            return True
        return False

    transcript, connections = await transcribed(url, speech, "draft", breaks)
    assert connections == 1 + 2
    assert_same(transcript, draft)


async def test_cut_between_commit_and_final(url: str, speech: Speech, draft: Transcript) -> None:
    def breaks(talk: Talk, sent_ms: float) -> bool:
        committed = [w for w in talk.client.transcript.words if w.state == "committed"]
        if len(committed) >= 2 and talk.cuts == len(talk.client.transcript.segments):
            talk.cut()
            return True
        return False

    transcript, connections = await transcribed(url, speech, "draft", breaks)
    assert connections == 1 + 2
    assert_same(transcript, draft)


async def test_cut_twice_in_a_row(url: str, speech: Speech, draft: Transcript) -> None:
    connections_at_cut: list[int] = []

    def breaks(talk: Talk, sent_ms: float) -> bool:
        if sent_ms > 2500 and talk.cuts < 2:
            connections_at_cut.append(talk.proxy.connections)
            talk.cut()
            if talk.cuts == 1:
                asyncio.get_running_loop().create_task(cut_again(talk))
            return True
        return False

    async def cut_again(talk: Talk) -> None:
        while talk.proxy.connections == connections_at_cut[0]:
            await asyncio.sleep(0.0005)
        talk.cut()  # before or just after `ready`

    transcript, connections = await transcribed(url, speech, "draft", breaks)
    assert connections == 1 + 2
    assert_same(transcript, draft)


async def test_cut_while_the_server_is_sending(url: str, speech: Speech, draft: Transcript) -> None:
    def breaks(talk: Talk, sent_ms: float) -> bool:
        if sent_ms > 2000 * (talk.cuts + 1) and talk.cuts < 4:
            talk.cuts += 1
            talk.proxy.cut_while_sending()
            return True
        return False

    transcript, connections = await transcribed(url, speech, "draft", breaks)
    assert connections == 1 + 4
    assert_same(transcript, draft)


async def test_cut_again_and_again_with_the_llm(
    url: str, speech: Speech, fused: Transcript
) -> None:
    def breaks(talk: Talk, sent_ms: float) -> bool:
        if sent_ms > 1500 * (talk.cuts + 1):
            talk.cut()
            return True
        return False

    seconds = len(speech.samples) / SAMPLE_RATE
    transcript, connections = await transcribed(url, speech, "fused", breaks)
    assert connections == 1 + int(seconds / 1.5)
    assert_same(transcript, fused)
