"""Music, told quietly between the lines: on the page, in what it saves, to those who read along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.protocol.words import SoundEvent
from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, IDLE, saved, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import final

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGAN = SoundEvent(sound="music", start_ms=1_000, lag_ms=1)
ENDED = SoundEvent(sound="music", start_ms=1_000, end_ms=9_000, lag_ms=1)
LINES = "[...document.querySelectorAll('.line .text')].map(line => line.textContent.trim())"


async def script(session: ScriptedSession) -> None:
    """Music, told of when somebody has spoken into it already, and again when it has ended."""
    await session.ready()
    await session.send(final("well then", 0, 0))
    await session.send(final("now go away", 5, 1))
    await session.send(BEGAN)
    await session.send(ENDED)
    await session.bye()


async def test_music_is_a_line_of_its_own_in_its_place(page: Page, tmp_path: Path) -> None:
    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{LINES}.length === 3")
        assert server.sessions[0].start.sounds
        assert await page.evaluate(LINES) == ["well then", "[music]", "now go away"]
        # It is no word that could be corrected, and comes once.
        assert await page.evaluate(COMMITTED) == "well then now go away"
        await stop(page)
        await page.wait_for(IDLE)
        vtt = (await saved(page, tmp_path, "vtt")).read_text(encoding="utf-8")
        assert "00:00:01.000 --> 00:00:04.000\n[music]\n" in vtt
        lines = (await saved(page, tmp_path, "jsonl")).read_text(encoding="utf-8").splitlines()
        (told,) = (row for row in map(json.loads, lines) if "sound" in row)
        assert (told["sound"], told["start_s"], told["end_s"]) == ("music", 1.0, 9.0)


async def test_whoever_does_not_want_it_does_not_ask(page: Page) -> None:
    async with scripted(script) as server:
        await page.goto(server.url)
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        await page.click("#sounds")
        await page.click("#settings-close")
        await page.click("#toggle")
        await page.wait_for(f"{LINES}.length > 0")
        assert not server.sessions[0].start.sounds
        await stop(page)
