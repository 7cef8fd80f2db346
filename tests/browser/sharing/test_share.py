"""The dialog that shares the captions, in a real browser."""

from __future__ import annotations

import json

import pytest

from streamer.app import ServerOptions
from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, LIVE, stop
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

ESCAPE = 27
READER = "document.querySelector('#reader-address').value"
OVERLAY = "document.querySelector('#share-address').value"
SAID = "document.querySelector('#share-said').textContent"
PREVIEW = "document.querySelector('#overlay-preview').shadowRoot"


async def fill(page: Page, id_: str, value: object) -> None:
    """Put a value into a field, as a person would."""
    await page.evaluate(
        f"(() => {{ const field = document.getElementById('{id_}');"
        f" if (field.type === 'checkbox') field.checked = {json.dumps(value)};"
        f" else field.value = {json.dumps(value)};"
        " field.dispatchEvent(new Event('input')); })(); 0"
    )


async def test_two_addresses_are_given_and_show_the_captions(
    page: Page, server: ServerThread
) -> None:
    await page.call(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
    )
    await page.goto(server.http_url)
    await page.click("#share-open")
    assert await page.evaluate(f"[{READER}, {OVERLAY}]") == ["", ""]
    assert "Press Start" in await page.evaluate(SAID)
    await page.press("Escape", ESCAPE)
    await page.click("#toggle")
    await page.wait_for(f"{COMMITTED}.split(' ').length >= 2")
    await page.click("#share-open")
    for button, address, path in (
        ("#reader-copy", READER, "read?session="),
        ("#share-copy", OVERLAY, "overlay?session="),
    ):
        await page.click(button)
        await page.wait_for(f"{SAID} === 'Copied.'")
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await page.evaluate(address)
        assert copied.startswith(f"{server.http_url}{path}")
        await page.evaluate("document.querySelector('#share-said').textContent = ''; 0")
    for address in (READER, OVERLAY):
        await page.evaluate(f"window.other = window.open({address}); 0")
        words = "[...other.document.querySelectorAll('.word')].map(node => node.textContent)"
        await page.wait_for(f"{words}.length >= 3")
        shown = await page.evaluate(f"{words}.join(' ')")
        assert (await page.evaluate(COMMITTED)).startswith(shown)
        await page.evaluate("other.close(); 0")
    overlay = await page.evaluate(OVERLAY)
    await page.press("Escape", ESCAPE)
    await stop(page)
    # The next session has the same addresses, unless new ones are asked for.
    await page.click("#toggle")
    await page.wait_for(f"{LIVE} && {COMMITTED}.split(' ').length >= 6")
    assert await page.evaluate(OVERLAY) == overlay
    await page.click("#share-open")
    await page.click("#share-renew")
    assert await page.evaluate(f"[{READER}, {OVERLAY}]") == ["", ""]
    await page.press("Escape", ESCAPE)
    await stop(page)
    await page.click("#toggle")
    await page.wait_for(f"{LIVE} && {OVERLAY} !== ''")
    assert await page.evaluate(OVERLAY) != overlay
    await stop(page)


async def open_shared(page: Page, url: str) -> None:
    """The page of somebody who has shared before."""
    await page.goto(url)
    stored = json.dumps(json.dumps({"followId": "x" * 24}))
    await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
    await page.goto(url)


async def shared(page: Page, url: str) -> None:
    """Their dialog."""
    await open_shared(page, url)
    await page.click("#share-open")


async def test_nothing_moves_when_the_server_answers_late(page: Page, server: ServerThread) -> None:
    """Else whoever clicks meanwhile clicks something else."""
    buttons = ["reader-copy", "share-copy", "overlay-size", "share-renew"]
    places = (
        f"{json.dumps(buttons)}.map(id => document.getElementById(id).getBoundingClientRect())"
        ".map(({ x, y }) => [x, y])"
    )
    held = (
        "const ask = window.fetch, waiting = []; window.answer = () => waiting.map(go => go());"
        " window.fetch = (...asked) =>"
        " new Promise(go => waiting.push(go)).then(() => ask(...asked));"
    )
    await page.resize(1280, 1200)
    await open_shared(page, server.http_url)
    await page.evaluate(f"(() => {{ {held} }})()")
    await page.click("#share-open")
    before = await page.evaluate(places)
    await page.evaluate("answer(); 0")
    await page.wait_for("document.querySelector('#reader-qr').naturalWidth > 0")
    await page.click("#reader-copy")
    await page.wait_for(f"{SAID} !== ''")
    assert await page.evaluate(places) == before
    await page.call("Emulation.clearDeviceMetricsOverride")


async def test_the_code_is_made_for_who_has_the_token(page: Page) -> None:
    with ServerThread(ServerOptions(token="s3cret/+=")) as server:
        await shared(page, f"{server.http_url}?token=s3cret/%2B=")
        await page.wait_for("document.querySelector('#reader-qr').naturalWidth > 0")
        assert "token" not in await page.evaluate(READER)
        await page.goto("about:blank")


async def test_the_overlay_is_built_with_a_picture_of_it(page: Page, server: ServerThread) -> None:
    await shared(page, server.http_url)
    usual = await page.evaluate(OVERLAY)
    assert usual == f"{server.http_url}overlay?session={'x' * 24}"
    width = f"{PREVIEW}.host.clientWidth"
    size = f"parseFloat(getComputedStyle({PREVIEW}.querySelector('.text')).fontSize)"
    await page.wait_for(f"Math.abs({size} - 48 * {width} / 1920) < 0.5")
    for id_, value in (
        ("overlay-size", "80"),
        ("overlay-lines", "2"),
        ("overlay-hold", "0"),
        ("overlay-align", "center"),
        ("overlay-box", True),
        ("overlay-emotion", False),
        ("overlay-messages", False),
    ):
        await fill(page, id_, value)
    more = "&size=80&lines=2&hold=0&align=center&box=on&emotion=off&messages=off"
    assert await page.evaluate(OVERLAY) == usual + more
    await page.wait_for(f"Math.abs({size} - 80 * {width} / 1920) < 0.5")
    text = f"getComputedStyle({PREVIEW}.querySelector('.text'))"
    assert await page.evaluate(f"{text}.backgroundColor") == "rgba(0, 0, 0, 0.78)"
    assert await page.evaluate(f"{text}.textAlign") == "center"
    assert await page.evaluate(f"{PREVIEW}.querySelector('.emotion').offsetWidth") == 0
    await fill(page, "overlay-size", "4000")
    assert "“size” goes from 8 to 400, not 4000." in await page.evaluate(SAID)
    assert "size" not in await page.evaluate(OVERLAY)
    # The reader's address can be scanned, which is of no use while it is one of this machine.
    code = "document.querySelector('#reader-qr')"
    await page.wait_for(f"!{code}.hidden && {code}.naturalWidth > 0")
    warning = "document.querySelector('#share-local:not([hidden])')?.textContent"
    await page.wait_for(f"{warning}?.includes('--host 0.0.0.0 --tls')")
