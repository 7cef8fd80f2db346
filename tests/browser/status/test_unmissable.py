"""A session that goes wrong: noticed within seconds, told where nobody can miss it, and told again
when it is over. Real browser, real server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from streamer.app import ServerOptions
from streamer.client.client import connect
from streamer.protocol.messages import StartMessage
from tests.browser.chromium import Page
from tests.browser.page_state import BANNER, COMMITTED, IDLE, LIVE, STATE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import final
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = "document.querySelector('#banner-count').textContent"
ICON = "document.querySelector('#icon').getAttribute('href')"
LEVEL = "document.querySelector('#level')"
ALERT = "document.querySelector('[role=alert]').textContent"
KEEP_SILENT = """
window.tracks = [];
window.contexts = [];
window.AudioContext = class extends AudioContext {
  constructor(...options) { super(...options); contexts.push(this); }
};
const ask = navigator.mediaDevices.getUserMedia;
navigator.mediaDevices.getUserMedia = async function (...wish) {
  const stream = await ask.apply(this, wish);
  for (const track of stream.getTracks()) track.enabled = false;
  tracks.push(...stream.getTracks());
  return stream;
}; 0
"""


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """It has one place."""
    with ServerThread(ServerOptions(heartbeat_s=0.1, max_sessions=1)) as server:
        yield server


async def seconds(page: Page, pattern: str) -> list[int]:
    """The numbers in what the banner counts."""
    count = await page.evaluate(COUNT)
    found = re.fullmatch(pattern, count)
    assert found is not None, count
    return [int(number) for number in found.groups()]


async def test_a_server_that_does_not_answer_looks_dead(page: Page, server: ServerThread) -> None:
    async with cutting_proxy(server.http_url) as proxy:
        await page.goto(proxy.url)
        icon = await page.evaluate(ICON)
        await page.click("#toggle")
        await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
        assert await page.evaluate(f"{LEVEL}.style.getPropertyValue('--level')") != "0.00"
        proxy.stall()
        await page.wait_for(f"{STATE} === 'stalled'", timeout_s=8)
        assert "does not answer" in await page.evaluate(ALERT)
        assert await page.evaluate("document.title") == "⚠ No answer · streamer"
        assert await page.evaluate(ICON) != icon
        # Sound still comes from the microphone, and moves nothing, from its next piece on.
        await page.wait_for(f"{LEVEL}.classList.contains('dead')")
        assert await page.evaluate(f"{LEVEL}.style.getPropertyValue('--level')") == "0.00"
        dot = "getComputedStyle(document.querySelector('.dot')).backgroundColor"
        assert await page.evaluate(dot) == "rgb(179, 38, 30)"
        pattern = r"(\d+) s without answer · last caption (\d+) s ago"
        before = await seconds(page, pattern)
        await page.wait_for(f"{COUNT}.startsWith('{before[0] + 1} s')")
        assert (await seconds(page, pattern))[1] >= before[1]
        # Cut, it is resumed; what was said meanwhile is captioned, and that is told.
        proxy.cut()
        await page.wait_for(LIVE)
        told = await page.wait_for(f"{BANNER}.match(/have caught up (\\d+) s/)?.[1]")
        assert int(told) >= before[0]
        assert await page.evaluate(ALERT) == ""
        assert await page.evaluate("document.title") == "streamer · live captions"
        assert await page.evaluate(ICON) == icon
        await stop(page)
        page.problems.clear()
    (recognizer,) = server.engine.recognizers
    assert recognizer.lost_samples == 0


async def test_a_short_cut_makes_no_noise(page: Page, server: ServerThread) -> None:
    async with cutting_proxy(server.http_url) as proxy:
        await page.goto(proxy.url)
        await page.evaluate(
            "window.said = []; new MutationObserver(() => said.push("
            "document.querySelector('#banner').textContent.trim())).observe("
            "document.querySelector('#banner'), { subtree: true, childList: true }); 0"
        )
        await page.click("#toggle")
        await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
        proxy.cut()
        async with asyncio.timeout(10):
            while server.sample("streamer_sessions_resumed_total") == 0:
                await asyncio.sleep(0.02)
        await page.wait_for(LIVE)
        await stop(page)
        assert await page.evaluate("said.join('')") == ""
        page.problems.clear()


async def test_a_full_server_is_waited_for(page: Page, server: ServerThread) -> None:
    async with connect(server.url, StartMessage()) as other:
        assert other.ready is not None
        await page.goto(server.http_url)
        await page.click("#toggle")
        await page.wait_for(f"{STATE} === 'full'")
        assert "The server is full" in await page.evaluate(ALERT)
        await page.wait_for(f"/^Trying again in \\d s · waiting for \\d+ s$/.test({COUNT})")
        # Who stops need not wait.
        await page.click("#toggle")
        await page.wait_for(IDLE, timeout_s=2)
        assert await page.evaluate(BANNER) == ""
        await page.click("#toggle")
        await page.wait_for(f"{STATE} === 'full'")
        await asyncio.sleep(1.0)
    await page.wait_for(LIVE)
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
    await stop(page)
    # What was said while there was no place is captioned too.
    recognizer = server.engine.recognizers[-1]
    assert recognizer.lost_samples == 0
    shown = await page.evaluate(COMMITTED)
    assert shown.startswith("w0 ")


async def test_a_microphone_that_is_muted_or_silent_is_told(
    page: Page, server: ServerThread
) -> None:
    await page.goto(server.http_url)
    await page.evaluate(KEEP_SILENT)
    await page.click("#toggle")
    await page.wait_for(f"{STATE} === 'silent'")
    assert "no sound at all" in await page.evaluate(BANNER)
    assert await page.evaluate(ALERT) == ""  # nothing is broken: it waits for its turn
    assert (await seconds(page, r"(\d+) s without sound · no caption yet"))[0] >= 6
    await page.evaluate("tracks[0].enabled = true; 0")
    await page.wait_for(LIVE)
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
    await page.evaluate("tracks[0].dispatchEvent(new Event('mute')); 0")
    await page.wait_for(f"{STATE} === 'muted'")
    assert "microphone is muted" in await page.evaluate(ALERT)
    assert re.fullmatch(r"last caption \d+ s ago", await page.evaluate(COUNT))
    await page.evaluate("tracks[0].dispatchEvent(new Event('unmute')); 0")
    await page.wait_for(LIVE)
    assert await page.evaluate(BANNER) == ""
    # The system takes the sound away, as when a telephone rings.
    await page.evaluate("contexts[0].suspend()")
    await page.wait_for(f"{STATE} === 'silent'")
    await page.evaluate("contexts[0].resume()")
    await page.wait_for(LIVE)
    # Unplugged: what was said is captioned to its end.
    await page.evaluate("tracks[0].dispatchEvent(new Event('ended')); 0")
    await page.wait_for(f"{STATE} === 'gone'")
    assert "The microphone is gone" in await page.evaluate(ALERT)


async def test_a_session_that_ends_unasked_is_told_and_felt(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(final("The sun shot out"))

    stored = json.dumps(json.dumps({"vibrate": True}))
    async with scripted(script, close_code=1011) as server:
        await page.goto(server.url)
        await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
        await page.goto(server.url)
        await page.evaluate(
            "window.felt = []; navigator.vibrate = pattern => felt.push(pattern.length) > 0; 0"
        )
        await page.click("#toggle")
        await page.wait_for(f"{STATE} === 'gone'")
        assert "The connection was lost (1011)" in await page.evaluate(ALERT)
        assert await page.evaluate("document.title") == "⚠ Captions stopped · streamer"
        assert await page.evaluate("felt") == [3]
        server.script = quiet
        await start(page, server)
        await page.wait_for(LIVE)
        assert await page.evaluate(BANNER) == ""
        await stop(page)


async def quiet(session: ScriptedSession) -> None:
    await session.ready()
    await session.bye()
