"""A server that wants a token: the page asks for it, keeps it, and hides the one in its address."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from streamer.app import ServerOptions
from tests.browser.chromium import Page
from tests.browser.page_state import BANNER, IDLE, LIVE, NOTICES, stop
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = 'k+/= "a" #%'
ASKING = "document.querySelector('#token').open"
WRONG = "document.querySelector('#token-wrong').textContent"
FORGET = "document.querySelector('#token-forget')"


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.1, token=TOKEN)) as server:
        yield server


async def give(page: Page, token: str, *, remember: bool = False) -> None:
    await page.wait_for(ASKING)
    await page.evaluate(f"document.querySelector('#token-field').value = {json.dumps(token)}; 0")
    if remember:
        await page.click("#token-remember")
    await page.click("#token-use")


async def test_the_token_is_asked_for_and_remembered(page: Page, server: ServerThread) -> None:
    await page.goto(server.http_url)
    await page.click("#toggle")
    await page.wait_for(ASKING)
    # It is asked for where it is needed, and told nowhere else as if something were broken.
    assert await page.evaluate(f"{BANNER} + {NOTICES}") == ""
    assert await page.evaluate(WRONG) == ""
    await give(page, "wrong")
    await page.wait_for(f"{WRONG} !== ''")
    await give(page, TOKEN, remember=True)
    await page.wait_for(LIVE)
    await stop(page)
    await page.evaluate("sessionStorage.clear()")
    await page.goto(server.http_url)
    await page.click("#toggle")
    await page.wait_for(LIVE)
    await stop(page)
    await page.click("#settings-open")
    await page.wait_for("document.querySelector('#settings').open")
    await page.evaluate(f"{FORGET}.click(); 0")
    assert await page.evaluate(f"{FORGET}.hidden")
    await page.press("Escape", 27)
    await page.wait_for("!document.querySelector('#settings').open")
    kept = "[localStorage, sessionStorage].map(each => each.getItem('streamer.token'))"
    assert await page.evaluate(kept) == [None, None]
    await page.click("#toggle")
    await page.wait_for(ASKING)
    await page.click("#token-later")
    await page.wait_for(f"!{ASKING}")
    assert await page.evaluate(IDLE)


async def test_a_token_that_is_not_to_be_remembered_lasts_for_the_tab(
    page: Page, server: ServerThread
) -> None:
    await page.goto(server.http_url)
    await page.click("#toggle")
    await page.wait_for(ASKING)
    await page.call("Input.insertText", text=TOKEN)
    await page.press("Enter", 13, "\r")
    await page.wait_for(LIVE)
    await stop(page)
    assert await page.evaluate("localStorage.getItem('streamer.token')") is None
    await page.goto(server.http_url)
    await page.click("#toggle")
    await page.wait_for(LIVE)
    await stop(page)


async def test_a_token_does_not_stay_in_the_address(page: Page) -> None:
    with ServerThread(ServerOptions(heartbeat_s=0.1, token="a+b/=")) as server:
        await page.goto(f"{server.http_url}?lang=en&token=a+b/=#here")
        assert await page.evaluate("location.search + location.hash") == "?lang=en#here"
        await page.goto(server.http_url)
        await page.click("#toggle")
        await page.wait_for(LIVE)
        await stop(page)
