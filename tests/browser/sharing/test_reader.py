"""The reader's page in a real browser, following a session on a real server with fake models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.client.client import Client, connect
from streamer.protocol.messages import StartMessage
from tests.browser.chromium import Page
from tests.browser.page_state import COMMITTED, TENTATIVE
from tests.fakes import silence, tone
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "the speaker's own secret"
STATUS = "document.querySelector('#status-text').textContent"
SCROLL = "document.querySelector('#captions').scrollTop"
AT_THE_END = (
    "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight < 2)"
    "(document.querySelector('#captions'))"
)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.02, followed_segments=2)) as server:
        yield server


@asynccontextmanager
async def speaker(server: ServerThread) -> AsyncIterator[tuple[Client, str]]:
    """A session, and the path of its reader."""
    async with connect(server.url, StartMessage(share_secret=SECRET)) as client:
        assert client.ready is not None
        yield client, f"read?session={client.ready.follow_id}"


async def heard(client: Client, words: int) -> None:
    while len(client.transcript.words) < words:
        await asyncio.sleep(0.01)


async def test_all_is_read_once_over_cuts_and_sessions(page: Page, server: ServerThread) -> None:
    async with cutting_proxy(server.http_url) as proxy:
        async with speaker(server) as (client, path):
            await client.send_audio(np.concatenate([tone(1.0), silence(0.5), tone(1.0)]))
            await heard(client, 4)
            await page.goto(f"{proxy.url}{path}")
            await page.wait_for(f"{COMMITTED} === 'w0 w8000 w24000' && {STATUS} === 'Live'")
            await page.evaluate("window.first = document.querySelector('.word'); 0")
            proxy.cut()
            await client.send_audio(np.concatenate([tone(0.5), silence(0.5), tone(1.0)]))
            await page.wait_for(f"{COMMITTED}.startsWith('w0 w8000 w24000 w32000 w40000 w56000')")
            assert await page.evaluate("first === document.querySelector('.word')")
            await client.stop()
            await page.wait_for(f"{STATUS}.startsWith('Ended at ')")
            whole = " ".join(word.text for word in client.transcript.words)
            assert await page.evaluate(COMMITTED) == whole
            n_lines = await page.evaluate("document.querySelectorAll('.line').length")
            assert n_lines == len(client.transcript.segments)
        async with speaker(server) as (client, _):
            await client.send_audio(tone(1.0))
            await page.wait_for(f"{COMMITTED} === '{whole} w0' && {STATUS} === 'Live'")
            divider = "document.querySelector('.divider').textContent"
            assert (await page.evaluate(divider)).startswith("A new session, ")
        await page.goto("about:blank")
    assert all("WebSocket" in problem for problem in page.problems), page.problems
    page.problems.clear()


async def test_music_is_a_line_of_its_own_and_comes_once(page: Page, server: ServerThread) -> None:
    lines = "[...document.querySelectorAll('.line .text')].map(line => line.textContent.trim())"
    start = StartMessage(share_secret=SECRET, sounds=True)
    async with cutting_proxy(server.http_url) as proxy, connect(server.url, start) as client:
        await client.send_audio(np.concatenate([tone(0.5), 3 * tone(0.5), silence(0.5)]))
        assert client.ready is not None
        await page.goto(f"{proxy.url}read?session={client.ready.follow_id}")
        await page.wait_for(f"{lines}.join('|') === 'w0 w8000|[music]'")
        proxy.cut()
        await client.send_audio(np.concatenate([tone(0.5), silence(0.5)]))
        await page.wait_for(f"{lines}.at(-1) === 'w24000'")
        assert await page.evaluate(lines) == ["w0 w8000", "[music]", "w24000"]
        await page.goto("about:blank")
    assert all("WebSocket" in problem for problem in page.problems), page.problems
    page.problems.clear()


async def test_a_server_that_is_out_of_reach_is_told(page: Page, server: ServerThread) -> None:
    async with speaker(server) as (client, path):
        async with cutting_proxy(server.http_url) as proxy:
            await page.goto(f"{proxy.url}{path}")
            await client.send_audio(tone(1.0))
            await page.wait_for(f"{COMMITTED} === 'w0'")
        await page.wait_for(f"{STATUS}.startsWith('No connection')")
        assert await page.evaluate(COMMITTED) == "w0"
    await page.goto("about:blank")
    assert all("WebSocket" in problem for problem in page.problems), page.problems
    page.problems.clear()


async def test_who_reads_back_is_left_there_and_finds_back(
    page: Page, server: ServerThread
) -> None:
    async with speaker(server) as (client, path):
        await page.resize(390, 780, mobile=True)
        await page.goto(server.http_url + path)
        for _ in range(12):
            await client.send_audio(np.concatenate([tone(1.0), silence(0.5)]))
        await page.wait_for(f"document.querySelectorAll('.line').length >= 11 && {AT_THE_END}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.evaluate(f"{SCROLL} = 0; 0")
        await page.wait_for("!document.querySelector('#to-live').hidden")
        await client.send_audio(np.concatenate([tone(2.0), silence(0.5)]))
        await page.wait_for("document.querySelectorAll('.line').length >= 13")
        assert await page.evaluate(SCROLL) == 0
        await page.click("#to-live")
        await page.wait_for(AT_THE_END)
        await page.resize(1280, 800)


async def test_who_comes_late_is_told_that_words_are_missing(
    page: Page, server: ServerThread
) -> None:
    async with speaker(server) as (client, path):
        for _ in range(5):
            await client.send_audio(np.concatenate([tone(0.5), silence(0.5)]))
        await client.send_audio(silence(1.0))
        await heard(client, 5)
        await page.goto(server.http_url + path)
        await page.wait_for("document.querySelectorAll('.line').length >= 2")
        first = "document.querySelector('#lines').firstElementChild.textContent"
        assert await page.evaluate(first) == "What was said before is not told any more."


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "This address is not whole"),
        ("?session=abc", "This address is not whole"),
        (f"?session={'x' * 24}", "Nobody speaks under this address now"),
        (f"?session=replica-1.{'x' * 24}", "Nobody speaks under this address now"),
        (f"?session=.{'x' * 24}", "This address is not whole"),
    ],
)
async def test_an_address_that_is_wrong_says_so(
    page: Page, server: ServerThread, query: str, told: str
) -> None:
    await page.goto(f"{server.http_url}read{query}")
    await page.wait_for(f"{STATUS}.startsWith('{told}')")


async def test_a_session_with_too_many_readers_says_so(page: Page) -> None:
    with ServerThread(ServerOptions(max_followers_per_session=0)) as server:
        async with speaker(server) as (_, path):
            await page.goto(server.http_url + path)
            await page.wait_for(f"{STATUS}.includes('follow this session already')")
        await page.goto("about:blank")


async def test_the_readers_settings_are_kept(page: Page, server: ServerThread) -> None:
    text = "getComputedStyle(document.querySelector('.text'))"
    async with speaker(server) as (client, path):
        await page.goto(server.http_url + path)
        await client.send_audio(tone(1.0))
        await page.wait_for(f"{COMMITTED} !== '' || ({TENTATIVE}) !== ''")
        before = float((await page.evaluate(f"{text}.fontSize"))[:-2])
        await page.click("#look summary")
        await page.evaluate(
            "for (const [id, value] of [['size', 5], ['spacing', 'wide'], ['theme', 'contrast']]) {"
            " const field = document.getElementById(`reader-${id}`); field.value = value;"
            " field.dispatchEvent(new Event('input')); } 0"
        )
        for _ in range(2):
            await page.wait_for(f"{COMMITTED} !== ''")
            size = float((await page.evaluate(f"{text}.fontSize"))[:-2])
            assert size > before
            height = float((await page.evaluate(f"{text}.lineHeight"))[:-2])
            assert height == pytest.approx(1.6 * size, rel=0.01)
            paper = "getComputedStyle(document.documentElement).backgroundColor"
            assert await page.evaluate(paper) == "rgb(0, 0, 0)"
            await page.goto(server.http_url + path)
        stored = await page.evaluate("Object.keys(localStorage)")
        assert stored == ["streamer.reader"]
