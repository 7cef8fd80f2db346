"""The newest lines in a window above all others."""

from __future__ import annotations

import asyncio

import pytest

from tests.browser.chromium import Page
from tests.browser.page_state import STATE, TENTATIVE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import final, update

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRIP = "documentPictureInPicture.window"
LINES = (
    f"[...{STRIP}.document.querySelectorAll('.text')]"
    ".map(node => node.textContent.trim()).join('|')"
)
PRESSED = "document.querySelector('#strip-open').ariaPressed"


async def test_the_strip_shows_what_the_page_shows(page: Page) -> None:
    proceed = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(final("The sun shot out"))
        await session.send(update("no <air>", "stirred", first_id=4, segment_id=1))
        await proceed.wait()
        await session.send(update("stirred", "now", first_id=6, segment_id=1))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await page.evaluate("document.querySelector('#larger').click(); 0")
        await page.click("#strip-open")
        await page.wait_for(f"{STRIP} !== null && {LINES} === 'The sun shot out|no <air> stirred'")
        assert await page.evaluate(PRESSED) == "true"
        proceed.set()
        await page.wait_for(f"{LINES} === 'The sun shot out|no <air> stirred now'")
        # In the reader's style, which the page's style sheets give.
        root = f"{STRIP}.document.documentElement.style.getPropertyValue('--caption-size')"
        assert await page.evaluate(root) == "2.5rem"
        await page.evaluate("document.querySelector('#theme').click(); 0")
        assert await page.evaluate(f"{STRIP}.document.documentElement.dataset.theme") == "light"
        colour = f"{STRIP}.getComputedStyle({STRIP}.document.querySelector('.tentative')).color"
        await page.wait_for(f"{colour} === 'rgb(117, 123, 130)'")
        # A server that does not answer is told there, too.
        await page.wait_for(f"{STATE} === 'stalled'", timeout_s=8)
        banner = f"{STRIP}.document.querySelector('.strip-banner').textContent"
        assert "does not answer" in await page.evaluate(banner)
        await page.evaluate("document.querySelector('#strip-open').click(); 0")
        await page.wait_for(f"{STRIP} === null")
        await page.wait_for(f"{PRESSED} === 'false'")
        await stop(page)


async def test_browsers_without_it_have_no_button(page: Page) -> None:
    added = await page.call(
        "Page.addScriptToEvaluateOnNewDocument", source="delete window.documentPictureInPicture"
    )
    async with scripted(lambda session: session.ready()) as server:
        await page.goto(server.url)
        assert await page.evaluate("document.querySelector('#strip-open').hidden")
    await page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
