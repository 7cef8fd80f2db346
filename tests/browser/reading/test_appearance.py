"""How the caption page looks: on small screens, in its themes, for those who want no motion."""

from __future__ import annotations

import asyncio

import pytest

from streamer.protocol.messages import (
    EmotionEvent,
    LossEvent,
)
from tests.browser.chromium import Page
from tests.browser.page_state import TENTATIVE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import HAPPY, captions_of_two_segments, final, heartbeat

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("width", [320, 390, 800, 1440])
async def test_page_fits_the_screen(page: Page, width: int) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.resize(width, 700, mobile=width < 500)
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await stop(page)
        await page.resize(1280, 800)


async def test_captions_are_read_on_a_phone_whatever_else_is_open(page: Page) -> None:
    """Upright, small and on its side, with the insight open and a notice to be read."""

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(EmotionEvent(emotion=HAPPY, start_ms=0, end_ms=2000, lag_ms=1))
        await session.send(heartbeat(300))
        for i in range(6):
            await session.send(final("The sun shot out", first_id=4 * i, segment_id=i))
        await session.send(LossEvent(start_ms=0, lost_samples=8000, reason="overrun"))
        await session.bye()

    newest = (
        "(() => { const word = document.querySelector('.line:last-child .word');"
        " const box = word.getBoundingClientRect();"
        " return document.elementFromPoint(box.x + 1, box.y + box.height / 2) === word; })()"
    )
    share = (
        "document.querySelector('#captions').clientHeight / "
        "document.querySelector('main').clientHeight"
    )
    async with scripted(script) as server:
        await page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        await start(page, server)
        await page.wait_for("document.querySelector('.notice') !== null")
        for width, height in ((390, 800), (320, 568), (844, 390)):
            await page.resize(width, height, mobile=True)
            for _ in ("open", "closed"):
                await page.wait_for(newest)
                assert await page.evaluate(share) > 0.5
                await page.evaluate("document.querySelector('#insight-toggle').click(); 0")
        await page.call("Emulation.setTouchEmulationEnabled", enabled=False)
        await page.resize(320, 256)  # a usual window, enlarged four times
        assert await page.evaluate("document.querySelector('#captions').clientHeight") > 100
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.evaluate("document.querySelector('#toggle').scrollIntoView(); 0")
        assert await page.evaluate(
            "document.querySelector('#toggle').getBoundingClientRect().bottom <= innerHeight"
        )
        await page.resize(1280, 800)
        await stop(page)


async def test_the_newest_words_stay_in_sight_when_their_room_shrinks(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        for i in range(12):
            await session.send(final("The sun shot out", first_id=4 * i, segment_id=i))
        await session.bye()

    inside = (
        "document.querySelector('.line:last-child').getBoundingClientRect().bottom <="
        " document.querySelector('#captions').getBoundingClientRect().bottom"
    )
    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for("document.querySelectorAll('.line').length === 12")
        for height in (700, 500, 400):
            await page.resize(1280, height)
            await page.wait_for(inside)
        # Whoever reads on above is left there.
        await page.evaluate("document.querySelector('#captions').scrollTop = 0; 0")
        await page.wait_for("!document.querySelector('#to-live').hidden")
        await page.resize(1280, 450)
        await asyncio.sleep(0.3)
        assert await page.evaluate("document.querySelector('#captions').scrollTop") == 0
        await page.click("#to-live")
        await page.wait_for(inside)
        await page.resize(1280, 800)
        await stop(page)


async def test_text_size_and_theme_are_kept(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        size = "document.documentElement.style.getPropertyValue('--caption-size')"
        before = await page.evaluate(size)
        await page.click("#larger")
        await page.click("#theme")
        await page.goto(server.url)
        assert float((await page.evaluate(size))[:-3]) > float(before[:-3])
        assert await page.evaluate("document.documentElement.dataset.theme") == "light"


async def test_themes_are_four_and_contrast_is_black_and_white(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        names = []
        for _ in range(4):
            names.append(await page.evaluate("document.querySelector('#theme').ariaLabel"))
            await page.click("#theme")
        assert names == [f"Theme: {name}" for name in ("auto", "light", "dark", "contrast")]
        for _ in range(3):
            await page.click("#theme")
        style = "getComputedStyle(document.documentElement)"
        assert await page.evaluate(f"{style}.backgroundColor") == "rgb(0, 0, 0)"
        assert await page.evaluate(f"{style}.color") == "rgb(255, 255, 255)"


async def test_reduced_motion_moves_nothing(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.emulate_media(prefers_reduced_motion="reduce")
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        assert await page.evaluate("document.getAnimations().length") == 0
        await page.emulate_media(prefers_reduced_motion="no-preference")
        await page.wait_for("document.getAnimations().length > 0")
        await stop(page)
