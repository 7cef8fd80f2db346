"""The caption page over a network that breaks: real browser, real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import microphone_file, serve_page
from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.page_state import COMMITTED, IDLE, NOTICES
from tests.serving import ServerThread
from tests.sockets import CuttingProxy, cutting_proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUS = "document.querySelector('#status-text').textContent"
LOST = "document.querySelector('#lost').textContent"


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.1, resume_s=2.0)) as server:
        yield server


@asynccontextmanager
async def listening(page: Page, url: str) -> AsyncIterator[CuttingProxy]:
    """The page, which hears its microphone through a proxy."""
    async with cutting_proxy(url) as proxy:
        await page.goto(proxy.url)
        await page.click("#toggle")
        await page.wait_for(f"{STATUS} === 'Listening'")
        yield proxy
        # Failed connections are problems of the network that the test made.
        assert all("WebSocket" in problem for problem in page.problems), page.problems
        page.problems.clear()


async def reconnected(page: Page, proxy: CuttingProxy, server: ServerThread) -> None:
    resumed = server.sample("streamer_sessions_resumed_total")
    proxy.cut()
    async with asyncio.timeout(20):
        while server.sample("streamer_sessions_resumed_total") == resumed:
            await asyncio.sleep(0.02)
    await page.wait_for(f"{STATUS} === 'Listening'")


@pytest.fixture
def patient_server() -> Iterator[ServerThread]:
    """Keeps a session for longer than a page's attempts to come back are apart."""
    with ServerThread(ServerOptions(heartbeat_s=0.1, resume_s=30.0)) as server:
        yield server


async def test_cuts_cost_no_word(page: Page, patient_server: ServerThread) -> None:
    server = patient_server
    async with listening(page, server.http_url) as proxy:
        for n_words in (2, 4, 6):
            await page.wait_for(f"{COMMITTED}.split(' ').length >= {n_words}")
            await reconnected(page, proxy, server)
        proxy.refusing = True
        proxy.cut()
        await page.wait_for(f"{STATUS} === 'Connection lost'")
        await asyncio.sleep(1.0)
        proxy.refusing = False
        await page.wait_for(f"{STATUS} === 'Listening'")
        await page.click("#toggle")
        await page.wait_for(IDLE)
        shown = (await page.evaluate(COMMITTED)).split()
        assert await page.evaluate(LOST) == "none"
        assert await page.evaluate(NOTICES) == ""
    (recognizer,) = server.engine.recognizers
    assert recognizer.lost_samples == 0
    assert shown == [word.text for word in recognizer.ledger.words]
    assert len(shown) > 8
    assert recognizer.processed_samples == recognizer.received_samples


async def test_a_lost_session_goes_on_as_a_new_one(page: Page, server: ServerThread) -> None:
    async with listening(page, server.http_url) as proxy:
        await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
        proxy.refusing = True
        proxy.cut()
        async with asyncio.timeout(20):
            while server.server.places.taken > 0:
                await asyncio.sleep(0.05)
        before = (await page.evaluate(COMMITTED)).split()
        proxy.refusing = False
        await page.wait_for(f"{STATUS} === 'Listening'")
        await page.click("#toggle")
        await page.wait_for(IDLE)
        shown = (await page.evaluate(COMMITTED)).split()
        assert await page.evaluate(LOST) == "none"
    old, new = server.engine.recognizers
    kept = [word.text for word in old.ledger.words if word.state != "tentative"]
    assert before == kept
    assert shown == [*kept, *(word.text for word in new.ledger.words)]
    # The new session began where the last committed word ended.
    assert new.received_samples > 2 * 16_000


async def test_whoever_stops_during_a_cut_gets_the_last_words(
    page: Page, patient_server: ServerThread
) -> None:
    server = patient_server
    async with listening(page, server.http_url) as proxy:
        await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
        proxy.refusing = True
        proxy.cut()
        await page.wait_for(f"{STATUS} === 'Connection lost'")
        await page.click("#toggle")
        proxy.refusing = False
        await page.wait_for(IDLE)
        shown = (await page.evaluate(COMMITTED)).split()
        assert await page.evaluate(NOTICES) == ""
    (recognizer,) = server.engine.recognizers
    assert shown == [word.text for word in recognizer.ledger.words]


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_speech_is_captioned_over_a_network_that_breaks(
    engine: Engine, tmp_path: Path
) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
    microphone = microphone_file([clip], tmp_path / "microphone.wav")
    async with (
        serve_page(engine) as url,
        open_page(BrowserOptions(microphone=microphone)) as page,
        listening(page, url) as proxy,
    ):
        for _ in range(int(clip.duration_s / 2)):
            await asyncio.sleep(2.0)
            proxy.cut()
        await page.wait_for("document.querySelector('.line .emotion') !== null", timeout_s=60)
        await page.click("#toggle")
        await page.wait_for(IDLE, timeout_s=30)
        assert proxy.connections > int(clip.duration_s / 2)
        shown = await page.evaluate(COMMITTED)
        assert word_errors(clip.text, shown).rate <= 0.2, shown
        assert await page.evaluate(LOST) == "none"


TALK = """
window.begin = async (base64, hop) => {
  const { StreamClient, streamAddress } = await import('/static/protocol/client.js');
  const { Transcript } = await import('/static/protocol/transcript.js');
  const samples = new Float32Array(Uint8Array.from(atob(base64), c => c.charCodeAt(0)).buffer);
  const transcript = new Transcript();
  let [sent, processedMs, begun] = [0, 0, 0];
  // Emotions come beside the steps, a moment sooner or later; the draft does not ask for them.
  const options = { sampleRate: 16000, decoder: 'draft', emotion: false };
  const client = new StreamClient(streamAddress(window.location), options);
  client.addEventListener('event', ({ detail }) => {
    if (detail.type === 'ready') begun += 1;
    if (detail.type === 'latency') processedMs = detail.processed_ms;
    if (detail.type === 'words') transcript.applyWords(detail);
    if (detail.type === 'segment') transcript.applySegment(detail);
  });
  const until = async (reached) => {
    while (!reached()) await new Promise(resolve => setTimeout(resolve, 5));
  };
  window.push = () => {
    const piece = samples.subarray(sent, sent + hop);
    client.push({ sampleOffset: sent, captureTimeMs: 0, samples: piece });
    sent += piece.length;
    return sent < samples.length;
  };
  window.heard = () => until(() => processedMs >= sent / 16);
  window.end = async () => {
    client.stop();
    await until(() => client.state === 'closed');
    return [begun, JSON.stringify(transcript.committed())];
  };
}; 0
"""
HOP = 4_096
"""Samples of one step: sent one by one, so that every run takes the same steps."""


async def said(page: Page, url: str, samples: bytes, cuts: tuple[float, ...]) -> str:
    """The captions that the client of the page makes of speech, cut at these parts of it."""
    async with cutting_proxy(url) as proxy:
        await page.goto(f"{proxy.url}overlay")
        await page.evaluate(TALK)
        await page.evaluate(f"begin('{base64.b64encode(samples).decode()}', {HOP})")
        n_hops = -(-len(samples) // (4 * HOP))
        due = {round(part * n_hops) for part in cuts}
        for hop in range(n_hops):
            more = await page.evaluate("push()")
            if hop in due:
                proxy.cut()
            if more:
                await page.evaluate("heard()")
        begun, captions = await page.evaluate("end()")
        assert begun == 1 + len(due)
        assert all("WebSocket" in problem for problem in page.problems), page.problems
        page.problems.clear()
        return str(captions)


@pytest.mark.slow
async def test_captions_of_cut_speech_are_those_of_the_whole(page: Page, engine: Engine) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
    pause = np.zeros(16_000, np.float32)
    samples = np.concatenate([pause, read_samples(clip.path), pause]).astype("<f4").tobytes()
    async with serve_page(engine, ServerOptions(heartbeat_s=0.02)) as url:
        whole = await said(page, url, samples, ())
        words = [word["text"] for caption in json.loads(whole) for word in caption["words"]]
        assert word_errors(clip.text, " ".join(words)).rate <= 0.2
        for cuts in ((0.02,), (0.35,), (0.7,), (0.2, 0.5, 0.9), (0.6, 0.65, 0.95)):
            assert await said(page, url, samples, cuts) == whole
        await page.goto("about:blank")
