"""What a person can do on the caption page besides starting and stopping, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from streamer.app import ServerOptions
from streamer.protocol.messages import EmotionEvent, LossEvent, WireDecision, WireEmotion
from tests.browser.chromium import Page
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.test_page import (
    COMMITTED,
    HAPPY,
    IDLE,
    LIVE,
    TENTATIVE,
    captions_of_two_segments,
    final,
    heartbeat,
    start,
    stop,
    update,
)
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAUSED = "document.querySelector('#status').dataset.state === 'paused'"
DETAIL = "document.querySelector('#word-detail')"
FOCUSED = "document.activeElement.id"
TAB, ENTER, ESCAPE, LEFT, RIGHT = 9, 13, 27, 37, 39


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.1)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def page(tab: Page) -> AsyncIterator[Page]:
    """The tab with nothing stored; it leaves its server before that ends."""
    await tab.call("Storage.clearDataForOrigin", origin="*", storageTypes="local_storage")
    tab.problems.clear()
    yield tab
    await tab.goto("about:blank")
    assert tab.problems == []


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


async def test_nothing_is_heard_during_a_pause(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
    await page.click("#pause")
    await page.wait_for(PAUSED)
    # What was being said is final.
    await page.wait_for("document.querySelector('.line.open') === null")
    await asyncio.sleep(0.3)
    (recognizer,) = server.engine.recognizers
    heard = recognizer.received_samples
    said = await page.evaluate(COMMITTED)
    await asyncio.sleep(2.0)
    assert recognizer.received_samples == heard
    assert await page.evaluate(COMMITTED) == said
    await page.click("#pause")
    await page.wait_for(LIVE)
    await page.wait_for(f"{COMMITTED}.length > {len(said)}")
    await page.click("#pause")
    await page.wait_for(PAUSED)
    await page.click("#toggle")
    await page.wait_for(IDLE)
    shown = (await page.evaluate(COMMITTED)).split()
    assert shown == [word.text for word in recognizer.ledger.words]
    assert recognizer.lost_samples == 0


async def test_a_long_pause_keeps_the_session(page: Page) -> None:
    finalized = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.heard(0.2)
        await session.finalized.wait()
        session.finalized.clear()
        await session.finalized.wait()
        finalized.set()
        await session.bye()

    async with scripted(script) as server:
        await page.goto(server.url)
        # Twenty seconds pass in no time.
        await page.evaluate(
            "window.later = setInterval; window.setInterval = (f, ms) => later(f, ms / 50); 0"
        )
        await page.click("#toggle")
        await page.wait_for(LIVE)
        await asyncio.sleep(0.5)
        await page.click("#pause")
        async with asyncio.timeout(10):
            await finalized.wait()
        assert await page.evaluate(PAUSED)
        await stop(page)


async def test_the_overlay_address_is_given_and_shows_the_captions(
    page: Page, server: ServerThread
) -> None:
    address = "document.querySelector('#share-address').value"
    await page.call(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
    )
    await page.goto(server.http_url)
    await page.click("#share-open")
    assert await page.evaluate(address) == ""
    assert "Press Start" in await page.evaluate("document.querySelector('#share-said').innerText")
    await page.press("Escape", ESCAPE)
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
    await page.click("#share-open")
    await page.click("#share-copy")
    await page.wait_for("document.querySelector('#share-said').innerText === 'Copied.'")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.evaluate(address)
    assert copied.startswith(f"{server.http_url}overlay?session=")
    await page.press("Escape", ESCAPE)
    follower = await page.evaluate(
        f"fetch({copied!r}).then(answer => answer.ok && answer.headers.get('content-type'))"
    )
    assert follower.startswith("text/html")
    await page.evaluate(f"window.overlay = window.open({copied!r}); 0")
    words = "[...overlay.document.querySelectorAll('.word')].map(node => node.textContent)"
    await page.wait_for(f"{words}.length >= 3")
    shown = await page.evaluate(f"{words}.join(' ')")
    assert (await page.evaluate(COMMITTED)).startswith(shown)
    await page.evaluate("overlay.close(); 0")
    await stop(page)
    # The next session has the same address, unless a new one is asked for.
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 6")
    assert await page.evaluate(address) == copied
    await page.click("#share-open")
    await page.click("#share-renew")
    assert await page.evaluate(address) == ""
    await page.press("Escape", ESCAPE)
    await stop(page)
    await page.click("#toggle")
    await page.wait_for(f"{address} !== ''")
    assert await page.evaluate(address) != copied
    await stop(page)


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


async def test_the_keyboard_reaches_everything(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await press_on(page, "larger")
    await press_on(page, "theme")
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


async def test_the_microphone_is_let_go(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await page.evaluate(
        "window.tracks = []; const ask = navigator.mediaDevices.getUserMedia;"
        "navigator.mediaDevices.getUserMedia = async function (...wish) {"
        " const stream = await ask.apply(this, wish); tracks.push(...stream.getTracks());"
        " return stream; }; 0"
    )
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.length > 0")
    assert await page.evaluate("tracks.map(track => track.readyState)") == ["live"]
    await stop(page)
    assert await page.evaluate("tracks.map(track => track.readyState)") == ["ended"]
