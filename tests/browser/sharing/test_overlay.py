"""The overlay page in a real browser, following a session on a real server with fake models."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import matplotlib.image
import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.client.client import Client, connect
from streamer.protocol.messages import StartMessage
from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, TENTATIVE
from tests.fakes import silence, tone
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGE = "document.querySelector('#message:not([hidden])')?.textContent ?? ''"
SECRET = "the speaker's own secret"


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.02)) as server:
        yield server


@asynccontextmanager
async def speaker(server: ServerThread) -> AsyncIterator[tuple[Client, str]]:
    """A session, and the address of its overlay."""
    start = StartMessage(share_secret=SECRET)
    async with connect(server.url, start) as client:
        assert client.ready is not None
        yield client, f"{server.http_url}overlay?session={client.ready.follow_id}"


async def test_it_shows_what_was_said_and_what_comes(page: Page, server: ServerThread) -> None:
    async with speaker(server) as (client, overlay):
        await client.send_audio(np.concatenate([tone(1.0), silence(0.5), tone(1.0)]))
        while len(client.transcript.words) < 4:
            await asyncio.sleep(0.01)
        await page.goto(overlay)
        await page.wait_for(f"{COMMITTED} === 'w0 w8000 w24000'")
        assert await page.evaluate(TENTATIVE) == "w32000"
        await client.send_audio(tone(0.5))
        await page.wait_for(f"{COMMITTED} === 'w0 w8000 w24000 w32000'")
        await page.wait_for("document.querySelector('.line').dataset.emotion === 'happy'")
        assert (
            await page.evaluate("document.querySelector('.text').lastChild.textContent") == "happy"
        )
        color = "getComputedStyle(document.querySelector('.word')).color"
        assert await page.evaluate(color) == "rgb(255, 255, 255)"
        tail = "getComputedStyle(document.querySelector('.tentative')).color"
        assert await page.evaluate(tail) == "rgb(194, 194, 194)"
        await client.stop()
        await page.wait_for(f"({TENTATIVE}) === '' && {COMMITTED}.endsWith('w40000')")
    # The next session of the same speaker takes the page's place by itself.
    async with speaker(server) as (client, again):
        assert again == overlay
        await page.wait_for(f"{COMMITTED} === ''")
        await client.send_audio(tone(1.0))
        await page.wait_for(f"{COMMITTED} === 'w0'")


async def test_it_is_large_transparent_and_without_controls(
    page: Page, server: ServerThread, tmp_path: Path
) -> None:
    async with speaker(server) as (client, overlay):
        await page.resize(1280, 720)
        await page.call(
            "Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0}
        )
        await page.goto(f"{overlay}&size=60&lines=2")
        await client.send_audio(tone(20.0))
        await page.wait_for("document.querySelectorAll('.word').length > 30")
        await page.screenshot(tmp_path / "overlay.png")
        await page.call("Emulation.setDefaultBackgroundColorOverride")
        assert await page.evaluate("document.querySelectorAll('button, a, input').length") == 0
        size = "getComputedStyle(document.querySelector('.word')).fontSize"
        assert await page.evaluate(size) == "60px"
        box = "document.querySelector('#captions').getBoundingClientRect()"
        assert await page.evaluate(f"{box}.height") == pytest.approx(2 * 60 * 1.3, abs=1)
        # The newest words are those in sight.
        tail = "document.querySelector('.tentative').getBoundingClientRect()"
        assert await page.evaluate(f"{tail}.bottom <= {box}.bottom + 1 && {tail}.top >= {box}.top")
    picture = matplotlib.image.imread(io.BytesIO((tmp_path / "overlay.png").read_bytes()))
    alpha = picture[:, :, 3]
    assert alpha[:400].max() == 0
    assert alpha[500:].max() == 1
    await page.resize(1280, 800)


async def test_captions_go_when_nobody_speaks(page: Page, server: ServerThread) -> None:
    async with speaker(server) as (client, overlay):
        await page.goto(f"{overlay}&hold=0.3")
        await client.send_audio(tone(1.0))
        await page.wait_for(f"{COMMITTED} === 'w0'")
        await page.wait_for("document.body.classList.contains('quiet')")
        await client.send_audio(tone(0.5))
        await page.wait_for("!document.body.classList.contains('quiet')")


async def test_it_waits_for_a_speaker_and_stays_small(page: Page, server: ServerThread) -> None:
    async with speaker(server) as (client, overlay):
        await client.stop()
    await page.goto(overlay)
    await page.wait_for(f"({MESSAGE}).startsWith('Nobody speaks')")
    async with speaker(server) as (client, _):
        for _ in range(20):
            await client.send_audio(np.concatenate([tone(0.5), silence(0.5)]))
        await page.wait_for(f"{COMMITTED}.endsWith('w304000')")
        assert await page.evaluate(MESSAGE) == ""
        assert await page.evaluate("document.querySelectorAll('.line').length") <= 9


async def test_no_word_moves_when_others_come(page: Page, server: ServerThread) -> None:
    place = (
        "(() => { const box = document.querySelector('.word').getBoundingClientRect();"
        " return [box.left, box.width]; })()"
    )
    moved = {}
    for align in ("left", "center"):
        async with speaker(server) as (client, overlay):
            await page.goto(f"{overlay}&align={align}&box=on")
            await client.send_audio(tone(1.0))
            await page.wait_for(f"{COMMITTED} !== ''")
            before = await page.evaluate(place)
            await client.send_audio(tone(2.0))
            await page.wait_for("document.querySelectorAll('.word').length > 3")
            moved[align] = await page.evaluate(place) != before
    assert moved == {"left": False, "center": True}
    background = "getComputedStyle(document.querySelector('.text')).backgroundColor"
    assert await page.evaluate(background) == "rgba(0, 0, 0, 0.78)"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "This address is not whole"),
        ("?session=abc", "This address is not whole"),
        (f"?session={'x' * 24}", "Nobody speaks under this address now"),
        (f"?session=replica-1.{'x' * 24}", "Nobody speaks under this address now"),
        (f"?session=.{'x' * 24}", "This address is not whole"),
        (
            "?session=abc&size=huge&lines=0",
            "“size” goes from 8 to 400, not huge. “lines” goes from",
        ),
        ("?session=abc&align=middle&fontsize=3", "There is no “fontsize”; there are size, lines"),
    ],
)
async def test_an_address_that_is_wrong_says_so(
    page: Page, server: ServerThread, query: str, told: str
) -> None:
    await page.goto(f"{server.http_url}overlay{query}")
    await page.wait_for(f"({MESSAGE}).includes({json.dumps(told)})")


async def test_it_tells_the_end_and_can_be_told_to_say_nothing(
    page: Page, server: ServerThread
) -> None:
    async with speaker(server) as (client, overlay):
        await page.goto(overlay)
        await client.send_audio(tone(1.0))
        await page.wait_for(f"{COMMITTED} !== ''")
        assert await page.evaluate(MESSAGE) == ""
        await client.stop()
    await page.wait_for(f"({MESSAGE}).startsWith('Ended at ')")
    await page.goto(f"{overlay}&messages=off&size=wrong")
    await asyncio.sleep(1.0)
    assert await page.evaluate("document.querySelector('#message').hidden")


async def test_the_page_has_the_same_policy(server: ServerThread) -> None:
    overlay = httpx.get(f"{server.http_url}overlay")
    assert overlay.headers["content-security-policy"].startswith("default-src 'none'")
