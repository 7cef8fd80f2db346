"""Tokens of characters that an address, or a websocket's subprotocol, may not hold as they are."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from benchmarks.chromium import Page

from streamer.app import ServerOptions
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVE = "document.querySelector('#status').dataset.state === 'live'"
IDLE = "document.querySelector('#status').dataset.state === 'idle'"
WORD = "document.querySelector('.word')?.textContent ?? ''"


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("8q+/Zm9vL2Jhcis9PQ==", "8q+/Zm9vL2Jhcis9PQ=="),  # of openssl, pasted as it is
        ("8q+/Zm9vL2Jhcis9PQ==", quote("8q+/Zm9vL2Jhcis9PQ==", safe="")),
        ('a b, "c"; d&e#f%2B\\', quote('a b, "c"; d&e#f%2B\\', safe="")),
    ],
)
async def test_the_page_shows_any_token(page: Page, token: str, shown: str) -> None:
    with ServerThread(ServerOptions(token=token)) as server:
        await page.goto(f"{server.http_url}?token={shown}")
        await page.click("#toggle")
        await page.wait_for(LIVE)
        await page.wait_for(f"{WORD} === 'w0'")
        await page.click("#toggle")
        await page.wait_for(IDLE)
