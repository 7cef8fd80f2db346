"""The caption page in a real browser, against a server that plays a script."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from streamer.app import ServerOptions
from streamer.protocol.messages import DecoderEvent, EmotionEvent, ErrorCode, ErrorEvent, LossEvent
from streamer.protocol.words import WireEmotion
from tests.browser.chromium import Page
from tests.browser.page_state import BANNER, COMMITTED, IDLE, LIVE, NOTICES, TENTATIVE, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import HAPPY, captions_of_two_segments, final, heartbeat, update
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_committed_words_never_move_and_tentative_ones_do(page: Page) -> None:
    proceed = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("The sun", "shout"))
        await proceed.wait()
        await session.send(update("shot", "out hot", first_id=2))
        await session.send(final("The sun shot out"))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'shout'")
        assert await page.evaluate(COMMITTED) == "The sun"
        await page.evaluate(
            "window.kept = [...document.querySelectorAll('.word')];"
            "window.places = kept.map(node => JSON.stringify(node.getBoundingClientRect())); 0"
        )
        proceed.set()
        await page.wait_for(f"{COMMITTED} === 'The sun shot out'")
        same = "kept.every((node, i) => node === document.querySelectorAll('.word')[i])"
        assert await page.evaluate(same)
        still = "kept.every((n, i) => places[i] === JSON.stringify(n.getBoundingClientRect()))"
        assert await page.evaluate(still)
        assert await page.evaluate(TENTATIVE) == ""
        await stop(page)


async def test_finished_segment_shows_its_emotion_by_a_small_word(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for("document.querySelectorAll('.line').length === 2")
        line = "document.querySelector('.line')"
        assert await page.evaluate(f"{line}.querySelector('.emotion').textContent") == "happy"
        assert await page.evaluate(f"{line}.querySelector('.emotion').offsetWidth > 0")
        assert await page.evaluate("document.querySelector('.line.open .emotion')") is None
        await stop(page)


async def test_segment_without_words_leaves_no_line(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("", "hm"))
        await session.heard(0.5)
        await session.send(final(""))
        await session.send(heartbeat(90))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'hm'")
        await page.wait_for("document.querySelector('#lag').textContent === '90 ms'")
        assert await page.evaluate("document.querySelectorAll('.line').length") == 0
        await stop(page)


async def test_committed_text_and_new_emotions_are_read_out(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        for segment_id, label in enumerate(("happy", "happy", "unknown", "sad")):
            said = final(f"Segment {segment_id}", 2 * segment_id, segment_id)
            emotion = WireEmotion(label=label, probs={})
            await session.send(said.model_copy(update={"emotion": emotion}))
        await session.send(update("no <air>", "stirred", first_id=8, segment_id=4))
        await session.bye()

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        said = await page.evaluate("document.querySelector('[aria-live=polite]').innerText")
        assert " ".join(said.split()) == (
            "Segment 0 (happy) Segment 1 Segment 2 Segment 3 (sad) no <air>"
        )
        await stop(page)


async def test_emotion_latency_decoder_and_loss_are_shown(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.heard(0.2)
        await session.send(EmotionEvent(emotion=HAPPY, start_ms=0, end_ms=2000, lag_ms=10))
        await session.send(update("The", "sun"))
        await session.send(heartbeat(1400))
        await session.send(DecoderEvent(decoder="draft", reason="the machine is busy"))
        await session.send(LossEvent(start_ms=0, lost_samples=8000, reason="overrun"))
        await session.stopped.wait()
        await session.send(heartbeat(120))
        await session.bye()

    def text(selector: str) -> str:
        return f"document.querySelector('{selector}').textContent"

    async with scripted(script) as server:
        await start(page, server)
        await page.wait_for("document.querySelector('#status').dataset.state === 'behind'")
        assert await page.evaluate(text("#emotion-badge")) == "happy"
        assert await page.evaluate(text("#emotion-bars .leading .value")) == "70 %"
        assert await page.evaluate(text("#lag")) == "1.4 s"
        assert " ms" in await page.evaluate(text("#delay"))
        assert await page.evaluate(text("#stages")) == "encode51 ms93 ms"
        await page.wait_for(f"{text('#decoder')} === 'draft, LLM paused'")
        await page.wait_for(f"{text('#lost')} === '500 ms'")
        assert "could not keep up" in await page.evaluate(NOTICES)
        await stop(page)
        assert await page.evaluate(text("#lag")) == "120 ms"


async def test_server_error_is_shown_and_captions_stay(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("The sun", "shot"))
        await session.send(
            ErrorEvent(code=ErrorCode.IDLE_TIMEOUT, message="Nothing came.", fatal=True)
        )

    async with scripted(script, close_code=4408) as server:
        await start(page, server)
        await page.wait_for(f"{BANNER} === 'Nothing came.'")
        await page.wait_for(IDLE)
        assert await page.evaluate(COMMITTED) == "The sun"
        assert await page.evaluate(TENTATIVE) == ""


async def test_lost_connection_is_explained(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()

    async with scripted(script, close_code=1011) as server:
        await start(page, server)
        await page.wait_for(f"{BANNER}.includes('The connection was lost')")
        await page.wait_for(IDLE)


async def test_unreachable_server_is_explained(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
    await page.click("#toggle")
    await page.wait_for(f"{NOTICES}.includes('cannot be reached')")
    await page.wait_for(IDLE)
    assert all("worklet" in problem for problem in page.problems)
    page.problems.clear()


async def test_refused_connection_is_explained(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        server.refuse = True
        await start(page, server)
        await page.wait_for(f"{BANNER}.includes('cannot be reached')")
        await page.wait_for(IDLE)
        assert all("403" in problem for problem in page.problems)
        page.problems.clear()


async def test_token_of_the_address_travels_as_subprotocol(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server, "?token=s3cret")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await stop(page)
        assert server.subprotocols == [["streamer.v1", "token64.czNjcmV0"]]


async def test_second_session_continues_below_the_first(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await stop(page)
        await page.click("#toggle")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await stop(page)
        assert await page.evaluate(COMMITTED) == " ".join(["The sun shot out no <air>"] * 2)


async def test_clear_can_be_undone(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await stop(page)
        await page.click("#clear")
        assert await page.evaluate(COMMITTED) == ""
        await page.click(".notice button")
        assert await page.evaluate(COMMITTED) == "The sun shot out no <air>"


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
        await page.wait_for("document.querySelector('.word')?.textContent === 'w0'")
        await stop(page)
