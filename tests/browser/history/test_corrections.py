"""Words that a person corrects, reports and expects, on the caption page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, NOTICES, TENTATIVE, saved, start, stop, violations
from tests.browser.scripted_server import ScriptedServer, ScriptedSession, scripted
from tests.browser.scripts import captions_of_two_segments, final, said_by, update

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "document.querySelector('.line .text').innerText.trim()"
WORD = "#lines .line:first-child .word:nth-child({})"
FIELD = "document.querySelector('.word-edit input')"
FOCUSED = "document.activeElement.textContent"
KEPT = """(async () => {
  const { HistoryStore } = await import('/static/history/store.js');
  const store = await HistoryStore.open();
  const [session] = await store.sessions();
  return (await store.captions(session.id)).map(({ caption }) => [
    caption.words.map((word) => word.text).join(' '),
    (caption.corrections ?? []).map(
      ({ type, word_ids, old_text, new_text }) => [type, word_ids, old_text, new_text]),
  ]);
})()"""
ENTER, ESCAPE, LEFT, TAB = 13, 27, 37, 9


async def speak(page: Page, server: ScriptedServer) -> None:
    await start(page, server)
    await page.wait_for(f"{TENTATIVE} === 'stirred'")


async def press(page: Page, label: str) -> None:
    """A button at the word."""
    buttons = "[...document.querySelectorAll('.word-actions button')]"
    await page.evaluate(f"{buttons}.find(one => one.textContent === '{label}').click(); 0")


async def write(page: Page, text: str) -> None:
    await page.evaluate(f"{FIELD}.value = {json.dumps(text)}; 0")
    await page.press("Enter", ENTER, "\r")


async def test_a_correction_is_shown_kept_and_exported(page: Page, tmp_path: Path) -> None:
    async def text(kind: str) -> str:
        return (await saved(page, tmp_path, kind)).read_text(encoding="utf-8")

    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    async with scripted(captions_of_two_segments) as server:
        await speak(page, server)
        await page.click(WORD.format(2))
        await press(page, "Correct")
        assert await page.evaluate(f"{FIELD}.value") == "sun"
        await press(page, "Word after →")
        assert await page.evaluate(f"{FIELD}.value") == "sun shot"
        await write(page, "son Ada  shot")
        assert await page.evaluate(TEXT) == "The son Ada shot out"
        assert await page.evaluate("document.querySelectorAll('.corrected').length") == 1
        # As one from here on: corrected again, and the words beside it.
        await page.click(WORD.format(2))
        await press(page, "Correct")
        assert await page.evaluate(f"{FIELD}.value") == "son Ada shot"
        await write(page, "sun Ada shot")
        await page.click(WORD.format(4))
        await press(page, "Correct")
        await write(page, "")
        assert await page.evaluate("document.querySelector('.struck').textContent") == "out"
        await page.click(WORD.format(1))
        await press(page, "Report")
        events: list[list[object]] = [
            ["correction", [1, 2], "sun shot", "son Ada shot"],
            ["correction", [1, 2], "son Ada shot", "sun Ada shot"],
            ["correction", [3], "out", ""],
            ["report", [0], "The", None],
        ]
        # What the server committed is as it was.
        await page.wait_for(f"{KEPT}.then(kept => kept[0][1].length === 4)")
        assert await page.evaluate(KEPT) == [["The sun shot out", events], ["no <air>", []]]
        await stop(page)
        assert await text("txt") == "The sun Ada shot\nno <air>\n"
        assert "The sun Ada shot\n" in await text("srt")
        assert "The sun Ada shot\n" in await text("vtt")
        first = json.loads((await text("jsonl")).splitlines()[0])
        assert (first["text"], first["corrected_text"]) == ("The sun shot out", "The sun Ada shot")
        assert [event["type"] for event in first["corrections"]] == [kind for kind, *_ in events]
        # After a reload it is all there.
        await page.goto(f"{server.url}/history")
        await page.wait_for("document.querySelector('#sessions a') !== null")
        await page.click("#sessions a")
        await page.wait_for("document.querySelector('.corrected')?.textContent === 'sun Ada shot'")
        assert await page.evaluate("document.querySelector('.reported').textContent") == "The"
        assert "4 corrections" in await page.evaluate("document.querySelector('#facts').innerText")


async def test_the_keyboard_corrects_and_corrects_back(page: Page, axe: str) -> None:
    await page.emulate_media(prefers_reduced_motion="reduce")
    async with scripted(captions_of_two_segments) as server:
        await speak(page, server)
        await page.evaluate("document.querySelector('#captions').focus(); 0")
        await page.press("ArrowLeft", LEFT)
        await page.press("Enter", ENTER, "\r")
        assert await page.evaluate(FOCUSED) == "Correct"
        assert await violations(page, axe) == []
        await page.press("Enter", ENTER, "\r")
        assert await violations(page, axe) == []
        await write(page, "air")
        assert await page.evaluate("document.querySelector('.corrected').textContent") == "air"
        assert await page.evaluate("document.activeElement.id") == "captions"
        await page.press("ArrowLeft", LEFT)
        detail = "document.querySelector('#word-detail').textContent"
        assert "<air>" in await page.evaluate(detail)
        assert "corrected to “air”" in await page.evaluate(detail)
        assert await violations(page, axe) == []
        await page.press("Enter", ENTER, "\r")
        await page.press("Enter", ENTER, "\r")
        await write(page, "<air>")
        assert await page.evaluate("document.querySelector('.corrected')") is None
        assert await page.evaluate(COMMITTED) == "The sun shot out no <air>"
        await page.press("ArrowLeft", LEFT)
        await page.press("Enter", ENTER, "\r")
        await page.press("Escape", ESCAPE)
        assert await page.evaluate("document.querySelector('.word-actions').hidden")
        await stop(page)
    await page.emulate_media(prefers_reduced_motion="no-preference")


async def test_corrections_follow_their_words_to_another_speakers_line(page: Page) -> None:
    is_corrected = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("Are you their I am nut", "here"))
        await is_corrected.wait()
        await session.send(said_by(0, final("Are you their"), "speaker"))
        await session.send(said_by(1, final("I am nut", first_id=3, segment_id=1), "silence"))
        await session.bye()

    texts = "[...document.querySelectorAll('.line .text')].map(node => node.innerText.trim())"
    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'here'")
        await page.click(WORD.format(5))
        await press(page, "Report")
        # Of two people, in one.
        await page.click(WORD.format(3))
        await press(page, "Correct")
        await press(page, "Word after →")
        await write(page, "there? I,")
        # And while somebody writes.
        await page.click(WORD.format(6))
        await press(page, "Correct")
        is_corrected.set()
        await page.wait_for("document.querySelectorAll('.line:not(.open)').length === 2")
        await write(page, "not")
        shown = ["Are you there? I,", "I am not"]
        assert await page.evaluate(texts) == shown
        assert await page.evaluate("document.querySelector('.struck').textContent") == "I"
        assert await page.evaluate("document.querySelector('.reported').textContent") == "am"
        kept = [
            ["Are you their", [["correction", [2], "their", "there? I,"]]],
            [
                "I am nut",
                [
                    ["report", [4], "am", None],
                    ["correction", [3], "I", ""],
                    ["correction", [5], "nut", "not"],
                ],
            ],
        ]
        await page.wait_for(f"{KEPT}.then(kept => kept[1]?.[1].length === 3)")
        assert await page.evaluate(KEPT) == kept
        await stop(page)
        await page.goto(f"{server.url}/history#1")
        await page.wait_for("document.querySelectorAll('.line').length === 2")
        assert await page.evaluate(texts) == shown


async def test_new_words_are_expected_from_then_on(page: Page) -> None:
    settings = "JSON.parse(localStorage.getItem('streamer.preferences')).hotWords"
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        stored = json.dumps(json.dumps({"hotWords": "Moonshine"}))
        await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
        await page.goto(server.url)
        await page.click("#toggle")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await page.click(WORD.format(2))
        await press(page, "Correct")
        await write(page, "Sun, Zanzibar!")
        # The word that was there already is none to expect.
        assert await page.evaluate(NOTICES) == "Corrected. Expect “Zanzibar” from now on?"
        await page.click("[data-key=expect] button")
        await page.wait_for(f"{NOTICES} === '“Zanzibar” is expected for the rest of this session.'")
        assert await page.evaluate(settings) == "Moonshine"
        await page.click("#lines .line:last-child .word")
        await press(page, "Expect from now on")
        await page.click("[data-key=expect] button")
        assert await page.evaluate(settings) == "Moonshine, no"
        await stop(page)
        (session,) = server.sessions
        assert session.start.hot_words == ("Moonshine",)
        assert [said.hot_words for said in session.configured] == [
            ("Zanzibar", "Moonshine"),
            ("Zanzibar", "no", "Moonshine"),
        ]
