"""Speech over `streamer serve` that is full, stands still, and is killed: what the page tells."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streamer.client.bundled import bundled_speech
from streamer.client.client import connect
from streamer.protocol.messages import StartMessage
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import microphone_file
from tests.browser.chromium import BrowserOptions, open_page
from tests.browser.page_state import BANNER, COMMITTED, IDLE, LIVE, STATE
from tests.campaign.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPTIONS = ("--no-llm", "--latency", "low", "--emotion", "off", "--max-sessions", "1")
FROZEN_S = 2.0
TITLE = "document.title"


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_a_dead_server_does_not_look_alive(tmp_path: Path) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
    microphone = microphone_file([clip], tmp_path / "microphone.wav")
    with (tmp_path / "log").open("wb") as log:
        server = await asyncio.to_thread(Server, log, OPTIONS)
        try:
            await tell(server, microphone, clip.text)
        finally:
            server.thaw()
            server.kill()


async def tell(server: Server, microphone: Path, text: str) -> None:
    url = f"http://{urlsplit(server.url).netloc}/"
    async with open_page(BrowserOptions(microphone=microphone)) as page:
        await page.goto(url)
        async with connect(server.url, StartMessage()) as other:
            assert other.ready is not None
            await page.click("#toggle")
            await page.wait_for(f"{STATE} === 'full'")
            assert "The server is full" in await page.evaluate(BANNER)
        await page.wait_for(f"{COMMITTED}.split(' ').length >= 3")
        server.freeze()
        await page.wait_for(f"{STATE} === 'stalled'", timeout_s=5)
        assert await page.evaluate(TITLE) == "⚠ No answer · streamer"
        await asyncio.sleep(FROZEN_S)
        assert "does not answer" in await page.evaluate(BANNER)
        server.thaw()
        await page.wait_for(f"{BANNER}.includes('have caught up')", timeout_s=30)
        # No word was lost over it.
        words = len(text.split())
        await page.wait_for(f"{COMMITTED}.split(' ').length >= {words - 2}", timeout_s=40)
        assert word_errors(text, await page.evaluate(COMMITTED)).rate <= 0.3
        await page.wait_for(LIVE)
        server.kill()
        await page.wait_for(f"{STATE} === 'reconnecting' && {BANNER} !== ''", timeout_s=5)
        assert await page.evaluate(TITLE) == "⚠ Connection lost · streamer"
        assert "no connection" in await page.evaluate(BANNER)
        assert not await page.evaluate(IDLE)
