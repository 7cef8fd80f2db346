"""The history page: search, rename, copy, download, delete; and that everybody can use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from tests.browser.chromium import Page
from tests.browser.page_state import IDLE, saved, start, stop, violations
from tests.browser.scripted_server import ScriptedServer, ScriptedSession, scripted
from tests.browser.scripts import final, update

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLES = "[...document.querySelectorAll('#sessions .title')].map(node => node.textContent)"
WHEN = "[...document.querySelectorAll('#sessions .when')].map(node => node.textContent)"
TEXT = "document.querySelector('#lines').innerText"
FOUND = "document.querySelector('#found').textContent"
FOCUSED = "document.activeElement.id"
THEMES = ("light", "dark", "contrast")
TAB, ENTER, ESCAPE = 9, 13, 27


async def mill(session: ScriptedSession) -> None:
    await session.ready()
    await session.heard(1.3)
    await session.send(final("The tide mill of Brittany", 0, 0))
    await session.send(final("grinds (twice) a day.", 5, 1))
    await session.send(update("It", "is", first_id=9, segment_id=2))
    await session.bye()


async def keep_sessions(page: Page, server: ScriptedServer, sound: Path) -> None:
    """One of the microphone, one of a file that was read."""
    await start(page, server)
    await page.wait_for("document.querySelectorAll('.line').length === 3")
    await stop(page)
    await page.choose_file("#read", sound)
    await page.wait_for(f"document.querySelectorAll('.line').length === 6 && {IDLE}")
    await page.resize(1280, 800)
    await page.goto(f"{server.url}/history")
    await page.wait_for(f"{TITLES}.length === 2")


async def look_for(page: Page, text: str) -> None:
    field = "document.querySelector('#search')"
    await page.evaluate(
        f"{field}.value = {json.dumps(text)}; {field}.dispatchEvent(new Event('input')); 0"
    )


async def open_session(page: Page, number: int) -> None:
    title = await page.evaluate(f"{TITLES}[{number - 1}]")
    await page.click(f"#sessions li:nth-child({number}) a")
    shown = f"document.querySelector('#title').textContent === {title!r}"
    await page.wait_for(f"{shown} && {TEXT} !== ''")


async def test_sessions_are_listed_found_and_renamed(page: Page, tone_file: Path) -> None:
    async with scripted(mill) as server:
        await keep_sessions(page, server, tone_file)
        file, meeting = await page.evaluate(TITLES)
        assert file == "tone.wav"
        assert meeting.startswith("Meeting of ")
        assert meeting.removeprefix("Meeting of ") in (await page.evaluate(WHEN))[1]
        # Over the ends of segments, in any case, and as it was typed.
        for query, count in (
            ("BRITTANY  grinds", 2),
            ("(twice)", 2),
            ("zeppelin", 0),
            ("tone.w", 1),
        ):
            await look_for(page, query)
            await page.wait_for(f"{FOUND}.startsWith('Said in {count or 'none'}')")
            assert len(await page.evaluate(TITLES)) == count
        await look_for(page, "a day")
        await page.wait_for("document.querySelector('mark')?.textContent === 'a day'")
        await open_session(page, 2)
        assert "The tide mill of Brittany" in await page.evaluate(TEXT)
        await page.click("#rename")
        await page.evaluate("document.querySelector('#ask-text').value = 'Mills'; 0")
        await page.click("#ask-yes")
        await page.wait_for(f"{TITLES}.includes('Mills')")
        await page.goto(f"{server.url}/history")
        await page.wait_for(f"{TITLES}.join() === 'tone.wav,Mills'")


async def test_a_click_is_not_lost_when_the_list_is_read_anew(page: Page, tone_file: Path) -> None:
    """As it is when the person comes back from another tab, and clicks."""
    async with scripted(mill) as server:
        await keep_sessions(page, server, tone_file)
        await look_for(page, "a day")
        await page.wait_for("document.querySelectorAll('mark').length === 2")
        # What is found is told anew each time.
        await page.evaluate(
            "window.isTold = false; new MutationObserver(() => window.isTold = true)"
            ".observe(document.querySelector('#found'), { childList: true }); 0"
        )
        entry = "document.querySelector('#sessions li:nth-child(2) a').getBoundingClientRect()"
        x, y = await page.evaluate(f"(({{ x, y }}) => [x + 9, y + 9])({entry})")
        button = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await page.call("Input.dispatchMouseEvent", type="mousePressed", **button)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange')); 0")
        await page.wait_for("isTold")
        await page.call("Input.dispatchMouseEvent", type="mouseReleased", **button)
        await page.wait_for("document.querySelector('#title').textContent.startsWith('Meeting')")


async def test_a_session_is_copied_and_downloaded(
    page: Page, tone_file: Path, tmp_path: Path
) -> None:
    async def text(kind: str) -> str:
        return (await saved(page, tmp_path, kind, "#download summary")).read_text("utf-8")

    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    await page.call(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
    )
    async with scripted(mill) as server:
        await keep_sessions(page, server, tone_file)
        await open_session(page, 2)
        captions = [json.loads(line) for line in (await text("jsonl")).splitlines()]
        assert [caption["text"] for caption in captions] == [
            "The tide mill of Brittany",
            "grinds (twice) a day.",
            "It",
        ]
        assert [caption["final"] for caption in captions] == [True, True, False]
        times = await page.evaluate(
            "[...document.querySelectorAll('.time')].map(node => node.textContent)"
        )
        assert all("time" in caption for caption in captions)
        said = [caption["text"] for caption in captions]
        plain = "".join(f"[{time}] {line}\n" for time, line in zip(times, said, strict=True))
        assert await text("txt") == plain
        assert (await text("srt")).startswith(
            "1\n00:00:00,000 --> 00:00:01,850\n(happy) The tide mill of Brittany\n\n"
        )
        assert "grinds (twice) a day." in await text("vtt")
        wav = await saved(page, tmp_path, "wav", "#download summary")
        assert soundfile.info(wav).duration > 1.3
        await page.click("#copy")
        await page.wait_for("document.querySelector('#told').textContent === 'Copied.'")
        assert await page.evaluate("navigator.clipboard.readText()") == plain
        # Times of the second session are its own, and its sound is in the file that was read.
        await open_session(page, 1)
        assert json.loads((await text("jsonl")).splitlines()[0])["start_s"] == 0
        assert (await text("txt")).startswith("[0:00] The tide mill")
        assert await page.evaluate("document.querySelector('[data-format=wav]').disabled")


async def test_sessions_are_deleted_one_or_all(page: Page, tone_file: Path) -> None:
    kept = """(async () => {
      const { HistoryStore } = await import('/static/history/store.js');
      const { database } = await HistoryStore.open();
      const count = (name) => new Promise((resolve) => {
        const request = database.transaction(name).objectStore(name).count();
        request.onsuccess = () => resolve(request.result);
      });
      return Promise.all([...database.objectStoreNames].map(count));
    })()"""
    async with scripted(mill) as server:
        await keep_sessions(page, server, tone_file)
        await open_session(page, 1)
        await page.click("#delete")
        await page.press("Escape", ESCAPE)
        assert len(await page.evaluate(TITLES)) == 2
        await page.click("#delete")
        await page.click("#ask-yes")
        await page.wait_for(f"{TITLES}.length === 1")
        await page.wait_for("document.querySelector('#session').hidden")
        await page.click("#delete-all")
        await page.click("#ask-yes")
        await page.wait_for("document.querySelector('#ask-title').textContent.startsWith('Really')")
        await page.press("Escape", ESCAPE)
        assert len(await page.evaluate(TITLES)) == 1
        await page.click("#delete-all")
        await page.click("#ask-yes")
        await page.wait_for("document.querySelector('#ask-title').textContent.startsWith('Really')")
        await page.click("#ask-yes")
        await page.wait_for(f"{FOUND}.startsWith('Nothing is kept yet')")
        assert set(await page.evaluate(kept)) == {0}


async def test_the_keyboard_reaches_everything(page: Page, tone_file: Path) -> None:
    async def tab_to(condition: str) -> None:
        for _ in range(30):
            if await page.evaluate(condition):
                return
            await page.press("Tab", TAB)
        raise AssertionError(condition)

    async with scripted(mill) as server:
        await keep_sessions(page, server, tone_file)
        await tab_to(f"{FOCUSED} === 'search'")
        await tab_to("document.activeElement.hash?.length > 1")
        await page.press("Enter", ENTER, "\r")
        await page.wait_for(f"{FOCUSED} === 'title'")
        for id_ in ("rename", "copy", "delete", "captions"):
            await tab_to(f"{FOCUSED} === '{id_}'")
        await page.press("ArrowLeft", 37)
        await page.press("Enter", ENTER, "\r")
        await page.wait_for("document.activeElement.textContent === 'Correct'")
        await page.press("Escape", ESCAPE)
        assert await page.evaluate(FOCUSED) == "captions"


async def test_it_breaks_no_rule(page: Page, axe: str, tone_file: Path) -> None:
    broken: list[str] = []
    async with scripted(mill) as server:
        await keep_sessions(page, server, tone_file)
        await page.emulate_media(prefers_reduced_motion="reduce")
        for theme, width in zip(THEMES, (390, 1280, 1280), strict=True):
            stored = json.dumps(json.dumps({"theme": theme}))
            await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
            await page.resize(width, 800)
            await page.goto(f"{server.url}/history")
            await page.wait_for(f"{TITLES}.length === 2")
            await look_for(page, "mill")
            await page.wait_for("document.querySelector('mark') !== null")
            broken += await violations(page, axe)
            await open_session(page, 2)
            await page.click("#download summary")
            broken += await violations(page, axe)
            await page.press("Escape", ESCAPE)
            await page.click(".line .word")
            broken += await violations(page, axe)
            await page.click(".word-actions button")
            broken += await violations(page, axe)
            await page.evaluate("document.querySelector('.word-edit input').value = 'Our'; 0")
            await page.click(".word-edit [type=submit]")
            await page.click("#rename")
            broken += await violations(page, axe)
            await page.press("Escape", ESCAPE)
            await page.click("#delete")
            broken += await violations(page, axe)
            await page.press("Escape", ESCAPE)
        await page.emulate_media(prefers_reduced_motion="no-preference")
        await page.resize(1280, 800)
        await page.goto("about:blank")
    assert broken == []
