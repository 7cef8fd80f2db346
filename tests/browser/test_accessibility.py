"""The rules of axe-core on both pages, in every state and theme. None may be broken."""

from __future__ import annotations

import json

import pytest

from streamer.app import ServerOptions
from streamer.client.client import connect
from streamer.protocol.messages import EmotionEvent, LossEvent, StartMessage
from streamer.protocol.words import WireEmotion
from tests.browser.chromium import Page
from tests.browser.page_state import BANNER, COMMITTED, STATE, TENTATIVE, stop, violations
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import HAPPY, final, heartbeat, update
from tests.fakes import tone
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "unknown")


async def set_theme(page: Page, theme: str) -> None:
    stored = json.dumps(json.dumps({"theme": theme}))
    await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")


# What is wide does not depend on the colours, nor they on it.
@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1280), ("contrast", 1280)])
async def test_the_caption_page_breaks_no_rule(
    page: Page, axe: str, theme: str, width: int
) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(EmotionEvent(emotion=HAPPY, start_ms=0, end_ms=2000, lag_ms=1))
        await session.send(heartbeat(1400))
        for segment_id, label in enumerate(EMOTIONS):
            said = final("The sun shot out", first_id=4 * segment_id, segment_id=segment_id)
            emotion = WireEmotion(label=label, probs=HAPPY.probs)
            # Each is said by somebody else.
            words = [word.model_copy(update={"speaker": segment_id}) for word in said.words]
            await session.send(said.model_copy(update={"emotion": emotion, "words": tuple(words)}))
        first_id = 4 * len(EMOTIONS)
        await session.send(update("no air", "stirred", first_id, len(EMOTIONS)))
        await session.send(LossEvent(start_ms=0, lost_samples=8000, reason="overrun"))
        await session.bye()

    broken: list[str] = []
    async with scripted(script) as server:
        await page.resize(width, 800)
        await page.emulate_media(prefers_reduced_motion="reduce")
        await page.goto(server.url)
        await set_theme(page, theme)
        await page.goto(server.url)
        broken += await violations(page, axe)
        await page.click("#toggle")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await page.wait_for("document.querySelector('.notice') !== null")
        broken += await violations(page, axe)
        await page.evaluate("document.querySelector('#insight-toggle').click(); 0")
        await page.click("#save-open")
        broken += await violations(page, axe)
        await page.click("#save-open")
        for dialog in ("settings", "share", "reading"):
            await page.click(f"#{dialog}-open")
            await page.wait_for(f"document.querySelector('#{dialog}').open")
            broken += await violations(page, axe)
            await page.press("Escape", 27)
        await page.click(".line:last-child .word")
        assert not await page.evaluate("document.querySelector('#word-detail').hidden")
        broken += await violations(page, axe)
        await stop(page)
        broken += await violations(page, axe)
    await page.emulate_media(prefers_reduced_motion="no-preference")
    await page.resize(1280, 800)
    assert broken == []


async def choose_theme(page: Page, theme: str) -> None:
    choice = "document.querySelector('#reading-theme')"
    await page.evaluate(f"{choice}.value = '{theme}'; {choice}.dispatchEvent(new Event('change'))")


async def test_what_tells_of_trouble_breaks_no_rule(page: Page, axe: str) -> None:
    """The banner in all its tones, and the dialog that asks for a token."""
    broken: list[str] = []

    async def look() -> None:
        for theme in ("light", "dark", "contrast", "yellow", "own"):
            await choose_theme(page, theme)
            broken.extend(await violations(page, axe))

    await page.emulate_media(prefers_reduced_motion="reduce")
    with ServerThread(ServerOptions(heartbeat_s=0.1)) as server:
        async with cutting_proxy(server.http_url) as proxy:
            await page.goto(proxy.url)
            await page.click("#toggle")
            await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
            proxy.stall()
            await page.wait_for(f"{STATE} === 'stalled'")
            await look()
            proxy.cut()
            await page.wait_for(f"{BANNER}.includes('have caught up')")
            await look()
            await page.evaluate("document.querySelector('#banner').dataset.tone = 'warning'; 0")
            await look()
            await stop(page)
            page.problems.clear()
    with ServerThread(ServerOptions(token="s3cret")) as server:
        await page.goto(server.http_url)
        await page.click("#toggle")
        await page.wait_for("document.querySelector('#token').open")
        await look()
    await page.emulate_media(prefers_reduced_motion="no-preference")
    assert broken == []


async def test_pages_that_follow_break_no_rule(page: Page, axe: str) -> None:
    broken: list[str] = []
    await page.emulate_media(prefers_reduced_motion="reduce")
    with ServerThread(ServerOptions()) as server:
        await page.goto(f"{server.http_url}overlay")
        broken += await violations(page, axe)
        async with connect(server.url, StartMessage()) as client:
            assert client.ready is not None
            followed = f"?session={client.ready.follow_id}"
            await page.goto(f"{server.http_url}overlay{followed}")
            await client.send_audio(tone(2.0))
            await page.wait_for(f"{COMMITTED}.length > 0")
            broken += await violations(page, axe)
            for width, theme in ((390, "light"), (1280, "dark"), (390, "contrast")):
                await page.resize(width, 800)
                stored = json.dumps(json.dumps({"theme": theme}))
                await page.evaluate(f"localStorage.setItem('streamer.reader', {stored}); 0")
                await page.goto(f"{server.http_url}read{followed}")
                await page.wait_for(f"{COMMITTED}.length > 0")
                await page.click("#look summary")
                broken += await violations(page, axe)
            await page.goto(f"{server.http_url}read")
            await page.wait_for("document.querySelector('#status').dataset.state === 'incomplete'")
            broken += await violations(page, axe)
        await page.goto("about:blank")
        await page.resize(1280, 800)
    await page.emulate_media(prefers_reduced_motion="no-preference")
    assert broken == []
