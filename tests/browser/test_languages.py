"""Languages on the caption page, in a real browser."""

from __future__ import annotations

import pytest

from streamer.protocol.messages import LanguageEvent
from tests.browser.chromium import Page
from tests.browser.page_state import TENTATIVE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import final, update

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPOKEN = "document.querySelector('#spoken').textContent"
LANGUAGE = "document.querySelector('#language')"


async def close_settings(page: Page) -> None:
    """Having turned translation on, or off. The button may have to be scrolled to."""
    for id_ in ("translate", "settings-close"):
        await page.evaluate(f"document.querySelector('#{id_}').click(); 0")
    await page.wait_for("!document.querySelector('#settings').open")


async def quiet(session: ScriptedSession) -> None:
    await session.ready()
    await session.bye()


async def test_a_language_is_chosen_and_asked_for(page: Page) -> None:
    async with scripted(quiet) as server:
        await page.goto(server.url)
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        names = await page.evaluate(f"[...{LANGUAGE}.options].map(option => option.text)")
        assert names == ["The server's own", "Whichever is spoken", "English", "German", "Japanese"]
        await page.evaluate(f"{LANGUAGE}.value = 'de'; 0")
        await close_settings(page)
        await page.click("#toggle")
        await page.wait_for(f"{SPOKEN} === 'English'")
        await stop(page)
        (session,) = server.sessions
        assert (session.start.language, session.start.task) == ("de", "translate")
        # Chosen once, it stays so.
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        assert await page.evaluate(f"{LANGUAGE}.value") == "de"
        await page.evaluate(f"{LANGUAGE}.value = ''; 0")
        await close_settings(page)
        await page.click("#toggle")
        await page.wait_for(f"{SPOKEN} === 'English'")
        await stop(page)
        assert (server.sessions[1].start.language, server.sessions[1].start.task) == (
            None,
            "transcribe",
        )


async def test_a_language_that_is_found_out_is_shown(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready(language="auto")
        await session.heard(0.2)
        await session.send(LanguageEvent(language="de", probability=0.93))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{SPOKEN} === 'German'")
        assert await page.evaluate("document.querySelector('#spoken').title") == "93 % sure"
        await stop(page)


async def test_japanese_has_no_spaces(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("復興 努力", "に 対する"))
        await session.heard(0.2)
        await session.send(update("に 対する", "", first_id=2))
        await session.send(final("復興 努力 に 対する"))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'に対する'")
        await page.wait_for("document.querySelectorAll('.word').length === 4")
        text = "document.querySelector('.line .text').textContent"
        assert await page.evaluate(text) == "復興努力に対する"
        await stop(page)
