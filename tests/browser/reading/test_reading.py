"""How captions look is up to the one who reads them, and is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.chromium import Page
from tests.browser.page_state import TENTATIVE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import captions_of_two_segments, final

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def page(page: Page) -> Page:
    """As large as a window usually is: small ones have smaller letters."""
    await page.resize(1280, 800)
    return page


async def choose(page: Page, **choices: str) -> None:
    """In the dialog, as a person does; names are those of its fields."""
    for name, value in choices.items():
        field = f"document.querySelector('#reading-{name}')"
        await page.evaluate(
            f"{field}.value = {json.dumps(value)};"
            f"for (const kind of ['input', 'change']) {field}.dispatchEvent(new Event(kind)); 0"
        )


async def look(page: Page, selector: str, name: str) -> Any:
    return await page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{name}")


async def test_letters_room_and_colours_are_chosen_and_kept(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await page.click("#reading-open")
        await page.wait_for("document.querySelector('#reading').open")
        await choose(page, font="serif", size="4", spacing="wider", width="narrow", theme="yellow")
        for _ in ("at once", "after a reload"):
            assert "Georgia" in await look(page, ".text", "fontFamily")
            assert await look(page, ".text", "fontSize") == "40px"
            assert await look(page, ".text", "lineHeight") == "80px"
            assert await look(page, ".lines", "maxWidth") == "544px"
            assert await look(page, ":root", "backgroundColor") == "rgb(0, 0, 0)"
            assert await look(page, ".word", "color") == "rgb(255, 225, 0)"
            await page.goto(server.url)
            await page.click("#toggle")
            await page.wait_for(f"{TENTATIVE} === 'stirred'")
        # The button goes on from there to a theme that it knows.
        await page.click("#theme")
        assert await page.evaluate("document.querySelector('#reading-theme').value") == "auto"
        await stop(page)


async def test_colours_of_ones_own_are_judged_by_their_contrast(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        assert await page.evaluate("document.querySelector('#reading-own').hidden")
        await choose(page, theme="own", ink="#ffffff", paper="#000080")
        assert await look(page, ":root", "backgroundColor") == "rgb(0, 0, 128)"
        assert await look(page, ":root", "color") == "rgb(255, 255, 255)"
        told = "document.querySelector('#reading-contrast').textContent"
        assert await page.evaluate(told) == "Contrast 16.0 : 1"
        await choose(page, ink="#808080", paper="#606060")
        assert await page.evaluate(told) == "Contrast 1.6 : 1: hard to read for many"
        await choose(page, theme="dark")
        assert await look(page, ":root", "backgroundColor") == "rgb(17, 20, 23)"


async def test_words_that_may_change_are_dimmed_plain_or_hidden(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        sure = await look(page, ".word", "color")
        assert await look(page, ".tentative", "color") != sure
        await choose(page, tentative="plain")
        assert await look(page, ".tentative", "color") == sure
        assert await page.evaluate(
            "document.getAnimations().every(a => a.animationName !== 'settle')"
        )
        await choose(page, tentative="hidden")
        assert await look(page, ".tentative", "display") == "none"
        await stop(page)


async def test_only_so_many_lines_are_in_sight_at_the_bottom(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        for i in range(9):
            await session.send(final("The sun shot out", first_id=4 * i, segment_id=i))
        await session.bye()

    whole = (
        "(() => { const box = document.querySelector('#captions').getBoundingClientRect();"
        " return [...document.querySelectorAll('.text')].filter(node => {"
        " const line = node.getBoundingClientRect();"
        " return line.top >= box.top && line.bottom <= box.bottom + 1; }).length; })()"
    )
    gap = (
        "document.querySelector('.controls').getBoundingClientRect().top -"
        " document.querySelector('.line:last-child').getBoundingClientRect().bottom"
    )
    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for("document.querySelectorAll('.line').length === 9")
        assert await page.evaluate(whole) > 3
        assert await page.evaluate(gap) < 60
        await choose(page, lines="3")
        assert 2 <= await page.evaluate(whole) <= 3
        assert await page.evaluate(gap) < 60
        await stop(page)
        # An empty page keeps its welcome whole.
        await page.click("#clear")
        box = "document.querySelector('#welcome').getBoundingClientRect()"
        assert await page.evaluate(f"{box}.height > 0")
        assert await page.evaluate(
            f"{box}.top >= document.querySelector('#captions').getBoundingClientRect().top"
        )
