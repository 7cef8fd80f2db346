"""The caption page goes on at the server itself, where it is told a way there; else it stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from starlette.routing import WebSocketRoute

from streamer.app import ServerOptions
from tests.browser.chromium import Page
from tests.browser.page_state import IDLE
from tests.serving import ServerThread
from tests.sockets import CuttingProxy, cutting_proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUS = "document.querySelector('#status-text').textContent"
WORDS = "document.querySelectorAll('.word').length"


@asynccontextmanager
async def two_ways() -> AsyncIterator[tuple[ServerThread, CuttingProxy, CuttingProxy]]:
    """In front of the server, and directly to it."""
    server = ServerThread(ServerOptions(heartbeat_s=0.1, direct_url="ws://127.0.0.1:1/"))
    route = WebSocketRoute("/direct", server.server.stream_directly)
    server._app.router.routes.insert(0, route)  # noqa: SLF001 - a port of its own needs Ray
    with server:
        async with cutting_proxy(server.http_url) as front, cutting_proxy(server.url) as direct:
            url = direct.url.replace("/v1/stream", "/direct")
            server.server.options = replace(server.server.options, direct_url=url)
            yield server, front, direct


async def resumed(server: ServerThread, times: int) -> None:
    async with asyncio.timeout(20):
        while server.sample("streamer_sessions_resumed_total") != times:
            await asyncio.sleep(0.02)


async def test_the_page_goes_on_directly_and_comes_back(page: Page) -> None:
    async with two_ways() as (server, front, direct):
        await page.goto(front.url)
        await page.click("#toggle")
        await resumed(server, 1)
        assert direct.connections == 1
        await page.wait_for(f"{STATUS} === 'Listening' && {WORDS} > 1")
        direct.refusing = True
        direct.cut()
        await resumed(server, 2)
        before = await page.evaluate(WORDS)
        await page.wait_for(f"{STATUS} === 'Listening' && {WORDS} > {before}")
        await page.click("#toggle")
        await page.wait_for(IDLE)
        assert all("WebSocket" in problem for problem in page.problems), page.problems
        page.problems.clear()


async def test_where_the_direct_way_is_closed_the_page_stays(page: Page) -> None:
    async with two_ways() as (server, front, direct):
        direct.refusing = True
        await page.goto(front.url)
        await page.click("#toggle")
        await page.wait_for(f"{STATUS} === 'Listening' && {WORDS} > 1")
        assert direct.connections == 1
        assert server.sample("streamer_sessions_resumed_total") == 0
        await page.click("#toggle")
        await page.wait_for(IDLE)
        assert all("WebSocket" in problem for problem in page.problems), page.problems
        page.problems.clear()
