"""The voice of whoever uses the page: recorded or pointed at, and named in later sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.client.bundled import bundled_speech
from streamer.protocol.voice_prints import voice_numbers
from streamer.recognition.engine import Engine
from tests.browser.captioned_page import microphone_file, serve_page
from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.page_state import IDLE, NOTICES, violations

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

SAID = "document.querySelector('#voice-said').textContent"
KEPT = "JSON.parse(localStorage.getItem('streamer.preferences') ?? '{}').voice ?? ''"
NAMES = (
    "[...document.querySelectorAll('.line:not(.open) .who:not([hidden])')].map(w => w.textContent)"
)


async def heard(page: Page, names: int) -> list[str]:
    """Caption the microphone until so many names have stood at finished lines."""
    await page.click("#toggle")
    await page.wait_for(f"{NAMES}.length >= {names}", timeout_s=60)
    told: list[str] = await page.evaluate(NAMES)
    return told


async def stop(page: Page) -> None:
    await page.click("#toggle")
    await page.wait_for(IDLE, timeout_s=60)


@pytest.mark.usefixtures("chromium")
async def test_who_was_known_before_is_named_from_the_first_words_on(
    engine: Engine, tmp_path: Path, axe: str
) -> None:
    readers = [clip for clip in bundled_speech() if clip.label is None]
    microphone = microphone_file([readers[0], readers[3]], tmp_path / "microphone.wav")
    options = BrowserOptions(microphone=microphone)
    async with serve_page(engine) as url, open_page(options) as page:
        await page.goto(url)
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        await page.click("#voice-record")
        await page.wait_for(f"{SAID}.endsWith('told apart as “Me”.')", timeout_s=30)
        recorded = voice_numbers(await page.evaluate(KEPT))
        assert await page.evaluate("document.querySelector('#speakers').checked")
        assert await violations(page, axe) == []
        await page.click("#voice-forget")
        assert await page.evaluate(KEPT) == ""
        await page.click("#settings-close")
        assert await heard(page, 2) == ["Speaker 1", "Speaker 2"]
        await page.click(".line .who")
        await page.click(".who-mine")
        await page.wait_for(f"{NOTICES}.endsWith('told apart as “Me”.')")
        assert await page.evaluate(NAMES) == ["Me", "Speaker 2"]
        pointed_at = voice_numbers(await page.evaluate(KEPT))
        await stop(page)
        await page.goto(url)
        assert await heard(page, 2) == ["Me", "Speaker 2"]
        await stop(page)
        assert page.problems == []
    assert recorded @ pointed_at > 0.7
