"""What a person can do on the caption page besides starting and stopping, in a real browser."""

from __future__ import annotations

import asyncio

import pytest

from streamer.protocol.messages import EmotionEvent, LanguageEvent
from streamer.protocol.words import WireDecision, WireEmotion
from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, IDLE, LIVE, PAUSED, TENTATIVE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import HAPPY, captions_of_two_segments, final, heartbeat, update
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

DETAIL = "document.querySelector('#word-detail')"
FOCUSED = "document.activeElement.id"
SPOKEN = "document.querySelector('#spoken').textContent"
LANGUAGE = "document.querySelector('#language')"
TAB, ENTER, ESCAPE, LEFT, RIGHT = 9, 13, 27, 37, 39


async def tab_to(page: Page, id_: str) -> None:
    """Press the tabulator until an element has the focus."""
    for _ in range(40):
        if await page.evaluate(FOCUSED) == id_:
            return
        await page.press("Tab", TAB)
    raise AssertionError(f"#{id_} cannot be reached with the keyboard")


async def press_on(page: Page, id_: str) -> None:
    await tab_to(page, id_)
    await page.press("Enter", ENTER, "\r")


async def test_keyboard_alone_starts_and_stops(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        for _ in range(20):
            await page.press("Tab", 9)
            if await page.evaluate("document.activeElement.id") == "toggle":
                break
        await page.press("Enter", 13, "\r")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        assert await page.evaluate("document.querySelector('#toggle').ariaPressed") == "true"
        await page.evaluate("document.querySelector('#toggle').focus(); 0")
        await page.press("Enter", 13, "\r")
        await page.wait_for(IDLE)


async def test_every_control_has_a_name(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        await page.call("Accessibility.enable")
        tree = await page.call("Accessibility.getFullAXTree")
        roles = {"button", "textbox", "combobox", "checkbox", "dialog"}
        controls = [n for n in tree["nodes"] if n.get("role", {}).get("value") in roles]
        assert len(controls) >= 7
        assert [n for n in controls if not n.get("name", {}).get("value")] == []
        await page.call("Accessibility.disable")


async def test_word_times_are_told_to_pointer_and_keyboard(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        box = await page.evaluate(
            "(() => { const b = document.querySelectorAll('.word')[1].getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2, b.y]; })()"
        )
        await page.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        await page.wait_for(f"{DETAIL}.textContent === 'sun · 0:00.30 – 0:00.55 · 90 % sure'")
        assert await page.evaluate(f"{DETAIL}.getBoundingClientRect().bottom") <= box[2]
        await page.call("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
        await page.wait_for(f"{DETAIL}.hidden")
        await tab_to(page, "captions")
        await page.press("ArrowLeft", LEFT)
        await page.wait_for(f"{DETAIL}.textContent.startsWith('<air> · 0:01.50')")
        await page.press("ArrowLeft", LEFT)
        await page.press("ArrowLeft", LEFT)
        await page.wait_for(f"{DETAIL}.textContent.startsWith('out ')")
        await page.press("ArrowRight", RIGHT)
        await page.wait_for(f"{DETAIL}.textContent.startsWith('no ')")
        await page.press("Escape", ESCAPE)
        assert await page.evaluate(f"{DETAIL}.hidden")
        await stop(page)


async def test_a_word_tells_what_decided_for_it(page: Page) -> None:
    decided = WireDecision(
        rival="son", audio=-0.42, text=1.96, hot_words=3.0, heard={"emotion": 0.25}
    )
    event = update("The sun", "")
    sun = event.words[1].model_copy(update={"decision": decided})
    event = event.model_copy(update={"words": (event.words[0], sun)})

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(event)
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{COMMITTED} === 'The sun'")
        await tab_to(page, "captions")
        await page.press("ArrowLeft", LEFT)
        told = "rather than “son” · sound −0.4, LLM +2.0, expected +3.0, heard emotion 25 %"
        await page.wait_for(f"{DETAIL}.textContent.endsWith('{told}')")
        await page.press("ArrowLeft", LEFT)
        await page.wait_for(f"{DETAIL}.textContent === 'The · 0:00.00 – 0:00.25 · 90 % sure'")
        await stop(page)


async def test_the_timeline_shows_emotions_in_their_colours_and_moves_on(page: Page) -> None:
    proceed = asyncio.Event()
    sad = WireEmotion(label="sad", probs={"sad": 1.0})

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(EmotionEvent(emotion=HAPPY, start_ms=0, end_ms=30_000, lag_ms=1))
        await session.send(EmotionEvent(emotion=sad, start_ms=28_000, end_ms=60_000, lag_ms=1))
        await proceed.wait()
        beat = heartbeat(100).model_copy(update={"processed_ms": 110_000})
        await session.send(beat)
        await session.bye()

    def column(share: float) -> str:
        """Colours from top to bottom, this far from the left edge."""
        return (
            "(() => { const c = document.querySelector('#timeline');"
            f" const d = c.getContext('2d').getImageData(Math.floor({share} * c.width), 0, 1,"
            " c.height).data; const found = new Set();"
            " for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255)"
            " found.add(`rgb(${d[i]}, ${d[i + 1]}, ${d[i + 2]})`); return [...found].join(); })()"
        )

    async with scripted(script) as server:
        await start(page, server)
        await page.click("#insight-toggle")
        choice = "document.querySelector('#emotion-shown')"
        await page.evaluate(f"{choice}.value = 'full'; {choice}.dispatchEvent(new Event('change'))")
        label = "document.querySelector('#timeline').ariaLabel"
        await page.wait_for(f"{label}.endsWith('happy 30 s, sad 30 s')")

        async def tone(name: str) -> str:
            fill = f"document.querySelector('#emotion-bars [data-emotion={name}] .fill')"
            color: str = await page.evaluate(f"getComputedStyle({fill}).backgroundColor")
            return color

        assert await page.evaluate(column(0.2)) == ""
        assert await page.evaluate(column(0.5)) == await tone("happy")
        assert await page.evaluate(column(0.9)) == await tone("sad")
        await page.click("#theme")
        await page.click("#theme")
        assert await page.evaluate(column(0.9)) == await tone("sad")
        proceed.set()
        await page.wait_for(f"{column(0.9)} === ''")
        assert await page.evaluate(column(0.3)) == await tone("sad")
        await stop(page)


async def test_the_keyboard_reaches_everything(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await press_on(page, "larger")
    await press_on(page, "theme")
    for opener in ("reading-open", "settings-open"):
        await press_on(page, opener)
        await page.wait_for("document.querySelector('dialog[open]') !== null")
        await page.press("Escape", ESCAPE)
        await page.wait_for(f"{FOCUSED} === '{opener}'")
    await press_on(page, "insight-toggle")
    assert not await page.evaluate("document.querySelector('#insight').hidden")
    await press_on(page, "insight-toggle")
    assert await page.evaluate("document.querySelector('#insight').hidden")
    await tab_to(page, "strip-open")
    await press_on(page, "toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
    await press_on(page, "pause")
    await page.wait_for(PAUSED)
    await press_on(page, "pause")
    await page.wait_for(LIVE)
    await press_on(page, "share-open")
    await page.wait_for("document.querySelector('#share').open")
    await press_on(page, "share-copy")
    await page.press("Escape", ESCAPE)
    assert await page.evaluate(FOCUSED) == "share-open"
    # Whoever stops from the pause button, which goes, is not thrown to the top of the page.
    await tab_to(page, "pause")
    await page.evaluate("document.querySelector('#toggle').click(); 0")
    await page.wait_for(IDLE)
    assert await page.evaluate(FOCUSED) == "toggle"
    await press_on(page, "save-open")
    await page.wait_for("document.querySelector('#save').open")
    await page.press("Tab", TAB)
    assert await page.evaluate("document.activeElement.dataset.format") == "txt"
    await page.press("Escape", ESCAPE)
    assert not await page.evaluate("document.querySelector('#save').open")
    assert await page.evaluate(FOCUSED) == "save-open"
    await press_on(page, "clear")
    assert await page.evaluate(COMMITTED) == ""


async def close_settings(page: Page) -> None:
    """Having turned translation and figures on, or off. The button may have to be scrolled to."""
    for id_ in ("translate", "numbers", "settings-close"):
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
        assert session.start.numbers
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
        assert not server.sessions[1].start.numbers


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
    seen = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("復興 努力", "に 対する"))
        await seen.wait()
        await session.send(update("に 対する", "", first_id=2))
        await session.send(final("復興 努力 に 対する"))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"({TENTATIVE}) === 'に対する'")
        seen.set()
        await page.wait_for("document.querySelectorAll('.word').length === 4")
        text = "document.querySelector('.line .text').textContent"
        assert await page.evaluate(text) == "復興努力に対する"
        await stop(page)
