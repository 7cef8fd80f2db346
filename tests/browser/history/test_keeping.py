"""Whatever happens to the page, what was said is on the device: reload, crash, a full disk."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamer.client.bundled import bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import microphone_file, serve_page
from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.page_state import COMMITTED, IDLE, NOTICES, saved, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import captions_of_two_segments, final
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORE = "(await import('/static/history/store.js')).HistoryStore.open()"
SESSIONS = f"(async () => (await {STORE}).sessions())()"
RECOVERED = "document.querySelector('[data-key=recovered]') !== null"
FILLED = """
(async () => {
  const { KeptSession } = await import('/static/history/kept-session.js');
  const store = await STORE;
  const options = { sampleRate: 48_000, soundMinutes: 60, keepsSound: true };
  const keep = (title) => new KeptSession(
    Promise.resolve(store), { ...options, title }, (told) => troubles.push(told));
  window.troubles = [];
  const noise = Float32Array.from({ length: 480_000 }, () => 2 * Math.random() - 1);
  const old = keep('old');
  for (let i = 0; i < 6; i += 1) {
    old.hear({ sampleOffset: i * noise.length, captureTimeMs: 0, samples: noise });
    await old.flush();
  }
  await old.end(false);
  window.fresh = keep('fresh');
  await fresh.flush();
  return (await store.sessions()).map(({ title, soundToMs }) => [title, soundToMs]);
})()
"""
SAID_ON_A_FULL_DEVICE = """
(async () => {
  const store = await STORE;
  const noise = Float32Array.from({ length: 480_000 }, () => 2 * Math.random() - 1);
  for (let i = 0; i < 40; i += 1) {
    const words = [{ id: i, text: `word${i}`, start_ms: 0, end_ms: 1 }];
    fresh.hear({ sampleOffset: i * noise.length, captureTimeMs: 0, samples: noise });
    fresh.keep({ sessionId: 's', segmentId: i, startMs: 0, endMs: 1, words, final: true }, 0);
    await fresh.flush();
  }
  await fresh.end(false);
  const [session] = await store.sessions();
  const rows = await store.captions(session.id);
  return [rows.length, [...new Set(troubles)], (await store.sessions()).at(-1).soundFromMs];
})()
"""


async def test_a_reload_warns_and_loses_no_word(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 7")
    warned = page.warnings
    await page.call("Page.reload")
    await page.wait_for(RECOVERED)
    assert page.warnings == warned + 1
    (recognizer,) = server.engine.recognizers
    (session,) = await page.evaluate(SESSIONS)
    assert session["ended"]
    assert session["resume"] is None  # the token is worth nothing any more, and gone
    lines = "1 line" if len(recognizer.ledger.segments) == 1 else "2 lines"
    title = session["title"].replace("Meeting", "meeting")
    assert await page.evaluate(NOTICES) == f"Recovered: {title}, {lines}."
    await page.click("[data-key=recovered] button")
    await page.wait_for(f"{COMMITTED} !== ''")
    # The words that the server had not yet said, too.
    shown = await page.evaluate(COMMITTED)
    assert shown.split() == [word.text for word in recognizer.ledger.words]
    rows = await page.evaluate(f"(async () => (await {STORE}).captions({session['id']}))()")
    assert all(row["caption"]["final"] and row["caption"]["epochMs"] for row in rows)
    # It goes on below, and is offered once.
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length > {len(shown.split())}")
    await stop(page)
    await page.goto(server.http_url)
    assert len(await page.evaluate(SESSIONS)) == 2
    assert await page.evaluate(NOTICES) == ""


async def test_a_session_is_over_when_it_is_written(page: Page) -> None:
    """Who leaves before is warned, however slow the device is."""
    slow = (
        "const request = navigator.locks.request.bind(navigator.locks);"
        " const wait = new Promise(go => window.write = go);"
        " navigator.locks.request = (...asked) => wait.then(() => request(...asked));"
    )
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        await page.evaluate(f"(() => {{ {slow} }})()")
        await page.click("#toggle")
        await page.wait_for(f"{COMMITTED}.startsWith('The sun shot out')")
        await page.click("#toggle")
        await page.wait_for("document.querySelector('.tentative') === null")
        assert not await page.evaluate(IDLE)
        leaving = "window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
        assert not await page.evaluate(leaving)
        await page.evaluate("write(); 0")
        await page.wait_for(IDLE)
        assert await page.evaluate(leaving)
        (session,) = await page.evaluate(SESSIONS)
        assert (session["lines"], session["ended"]) == (2, True)


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_a_browser_that_is_killed_loses_no_word(engine: Engine, tmp_path: Path) -> None:
    clip = min((c for c in bundled_speech() if c.label is None), key=lambda c: c.duration_s)
    microphone = microphone_file([clip, clip], tmp_path / "microphone.wav")
    options = BrowserOptions(microphone=microphone, profile=tmp_path / "profile")
    async with serve_page(engine) as url:
        async with open_page(options) as page:
            await page.goto(url)
            await page.click("#toggle")
            await page.wait_for(f"{COMMITTED}.split(' ').length > 8", timeout_s=40)
            seen = await page.evaluate(COMMITTED)
            await asyncio.sleep(1.0)
            await page.kill()
        async with open_page(options) as page:
            await page.goto(url)
            await page.wait_for(RECOVERED, timeout_s=30)
            assert "line" in await page.evaluate(NOTICES)
            await page.click("[data-key=recovered] button")
            await page.wait_for(f"{COMMITTED} !== ''")
            shown = await page.evaluate(COMMITTED)
            # What had been read is there, and nothing twice.
            assert shown.startswith(seen)
            spoken = " ".join(clip.text.split()[: len(shown.split())])
            assert word_errors(spoken, shown).rate <= 0.3, shown
            (session,) = await page.evaluate(SESSIONS)
            assert session["soundToMs"] > 2000
            assert page.problems == []


async def test_off_is_off(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        await page.evaluate("document.querySelector('#history-keep').click(); 0")
        await page.evaluate("document.querySelector('#settings-close').click(); 0")
        await page.evaluate("indexedDB.deleteDatabase('streamer.history'); 0")
        await page.goto(server.url)
        await page.click("#toggle")
        await page.wait_for(f"{COMMITTED} === 'The sun shot out no <air>'")
        await stop(page)
        assert await page.evaluate("indexedDB.databases()") == []


async def test_text_outlives_sound_on_a_full_device(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    origin = server.http_url.rstrip("/")
    # Room for a minute and a half of sound.
    await page.call("Storage.overrideQuotaForOrigin", origin=origin, quotaSize=9_000_000)
    assert await page.evaluate(FILLED.replace("STORE", STORE)) == [["fresh", 0], ["old", 60_000]]
    lines, troubles, old_from_ms = await page.evaluate(
        SAID_ON_A_FULL_DEVICE.replace("STORE", STORE)
    )
    await page.call("Storage.overrideQuotaForOrigin", origin=origin)
    assert lines == 40
    assert troubles[0] == "less-sound"
    assert "nothing" not in troubles
    assert old_from_ms == 60_000  # the oldest went first


async def test_only_the_newest_minutes_of_sound_are_kept(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await page.evaluate(FILLED.replace("STORE", STORE))
    kept = await page.evaluate(
        f"""(async () => {{
          const store = await {STORE};
          await store.dropSound((keptMs) => keptMs - 25_000);
          const old = (await store.sessions()).at(-1);
          const {{ startMs, parts }} = await store.sound(old);
          return [old.soundFromMs, startMs, parts.length];
        }})()"""
    )
    # Whole chunks of ten seconds here; no more is kept than was wanted.
    assert kept == [35_000, 40_000, 2]


async def quiet(session: ScriptedSession) -> None:
    await session.ready()
    await session.bye()


async def test_a_session_in_which_nothing_was_said_leaves_nothing(page: Page) -> None:
    async with scripted(quiet) as server:
        await start(page, server)
        await page.wait_for(f"{SESSIONS}.then(sessions => sessions.length === 1)")
        await stop(page)
        await page.wait_for(f"{SESSIONS}.then(sessions => sessions.length === 0)")


async def said_later(session: ScriptedSession) -> None:
    await session.ready()
    await session.heard(0.2)
    await session.send(final("The sun shot out"))
    await session.bye()


async def test_times_of_day_are_shown_and_saved(page: Page, tmp_path: Path) -> None:
    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    time = "document.querySelector('.time').textContent"
    async with scripted(said_later) as server:
        began = datetime.now(UTC)
        await start(page, server)
        await page.wait_for("document.querySelectorAll('.line').length === 1")
        assert await page.evaluate(time) == "0:00"
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        await page.evaluate("document.querySelector('#history-clock').click(); 0")
        await page.evaluate("document.querySelector('#settings-close').click(); 0")
        told = await page.evaluate(time)
        await stop(page)
        text = (await saved(page, tmp_path, "txt")).read_text(encoding="utf-8")
        assert text == f"[{told}] The sun shot out\n"
        caption = json.loads((await saved(page, tmp_path, "jsonl")).read_text(encoding="utf-8"))
        spoken = datetime.fromisoformat(caption["time"])
        assert spoken.astimezone().strftime("%H:%M:%S") == told
        assert began <= spoken <= datetime.now(UTC)
