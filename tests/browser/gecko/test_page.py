"""The caption page in Firefox: real speech, from a microphone and from a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from streamer.client.bundled import bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import serve_page, share_clips
from tests.browser.gecko.firefox import FirefoxPage, find_firefox, open_firefox
from tests.browser.page_state import COMMITTED, IDLE, LIVE

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page() -> AsyncIterator[FirefoxPage]:
    if find_firefox() is None:
        pytest.skip("no Firefox on PATH; install it to test the caption page in it")
    async with open_firefox() as page:
        yield page
        assert page.problems == []


async def can_play(page: FirefoxPage) -> bool:
    running = "new AudioContext().resume().then(() => true)"
    waited = "new Promise(resolve => setTimeout(() => resolve(false), 5000))"
    return bool(await page.evaluate(f"Promise.race([{running}, {waited}])"))


async def test_a_microphone_is_captioned_and_kept(engine: Engine, page: FirefoxPage) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
    async with serve_page(engine) as url:
        await page.goto(url)
        if not await can_play(page):
            pytest.skip("no sound system for Firefox; one without a device would do (PulseAudio)")
        await share_clips(page, [clip], "getUserMedia")
        await page.click("#toggle")
        await page.wait_for(LIVE)
        await page.evaluate("sharing.resume()")
        await asyncio.sleep(clip.duration_s + 1.0)
        await page.click("#toggle")
        await page.wait_for(IDLE, timeout_s=60)
        said = await page.evaluate(COMMITTED)
        assert word_errors(clip.text, said).rate <= 0.15, said
        await page.goto(f"{url}history")
        await page.click("#sessions a")
        await page.wait_for(f"({COMMITTED}) !== ''")
        assert await page.evaluate(COMMITTED) == said


async def test_a_file_is_captioned_and_followed(engine: Engine, page: FirefoxPage) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
    async with serve_page(engine) as url:
        await page.goto(url)
        await page.choose_file("#read", clip.path)
        await page.wait_for(f"{IDLE} && ({COMMITTED}) !== ''", timeout_s=60)
        said = await page.evaluate(COMMITTED)
        assert word_errors(clip.text, said).rate <= 0.15, said
        kept = "JSON.parse(localStorage.getItem('streamer.preferences')).followId"
        await page.goto(f"{url}read?session={await page.evaluate(kept)}")
        status = "document.querySelector('#status').textContent"
        await page.wait_for(f"{status}.startsWith('Nobody speaks')")
