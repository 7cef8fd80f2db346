"""The caption page in a real browser, against a server that plays a script."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest

from streamer.protocol.messages import (
    DecoderEvent,
    EmotionEvent,
    ErrorCode,
    ErrorEvent,
    LatencyEvent,
    LossEvent,
    Percentiles,
    SegmentEvent,
    WireEmotion,
    WireWord,
    WordsEvent,
)
from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.conftest import TONE_HZ
from tests.browser.scripted_server import ScriptedServer, ScriptedSession, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

HAPPY = WireEmotion(label="happy", probs={"happy": 0.7, "neutral": 0.2, "sad": 0.1})
IDLE = "document.querySelector('#status').dataset.state === 'idle'"
LIVE = "document.querySelector('#status').dataset.state === 'live'"
COMMITTED = "[...document.querySelectorAll('.word')].map(node => node.textContent).join(' ')"
TENTATIVE = "document.querySelector('.tentative')?.textContent ?? ''"
NOTICES = "[...document.querySelectorAll('.notice p')].map(node => node.textContent).join(' | ')"


def words(text: str, state: str, first_id: int = 0) -> tuple[WireWord, ...]:
    return tuple(
        WireWord.model_validate(
            {
                "id": first_id + i,
                "text": word,
                "start_ms": 300 * (first_id + i),
                "end_ms": 300 * (first_id + i) + 250,
                "confidence": 0.9,
                "state": state,
            }
        )
        for i, word in enumerate(text.split())
    )


def update(committed: str, tentative: str, first_id: int = 0, segment_id: int = 0) -> WordsEvent:
    """A `words` event: what is committed now, from `first_id` on, and the tentative tail."""
    done = words(committed, "committed", first_id)
    tail = words(tentative, "tentative", first_id + len(done))
    return WordsEvent(segment_id=segment_id, words=done + tail, lag_ms=100)


def final(text: str, first_id: int = 0, segment_id: int = 0) -> SegmentEvent:
    said = words(text, "final", first_id)
    return SegmentEvent(
        segment_id=segment_id,
        start_ms=said[0].start_ms if said else 0,
        end_ms=said[-1].end_ms if said else 0,
        text=text,
        words=said,
        emotion=HAPPY if said else None,
        lag_ms=100,
    )


def heartbeat(lag_ms: float) -> LatencyEvent:
    return LatencyEvent(
        lag_ms=lag_ms,
        received_ms=1000,
        processed_ms=900,
        step_ms={"encode": 50},
        stages_ms={"encode": Percentiles(p50=51, p95=93, p99=99)},
    )


async def start(page: Page, server: ScriptedServer, query: str = "") -> None:
    await page.goto(server.url + "/" + query)
    await page.click("#toggle")


async def stop(page: Page) -> None:
    await page.click("#toggle")
    await page.wait_for(IDLE)


async def captions_of_two_segments(session: ScriptedSession) -> None:
    await session.ready()
    await session.send(update("The sun", "shot out"))
    await session.send(final("The sun shot out"))
    await session.send(update("no <air>", "stirred", first_id=4, segment_id=1))
    await session.bye()


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


async def test_finished_segment_shows_its_emotion_by_label_and_tint(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server)
        await page.wait_for("document.querySelectorAll('.line').length === 2")
        line = "document.querySelector('.line')"
        assert await page.evaluate(f"{line}.querySelector('.emotion').textContent") == "happy"
        tint = await page.evaluate(f"getComputedStyle({line}).backgroundColor")
        assert tint not in ("", "rgba(0, 0, 0, 0)")
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


async def test_audio_from_before_the_server_is_ready_is_sent(page: Page) -> None:
    ready_at_ms = []

    async def script(session: ScriptedSession) -> None:
        await asyncio.sleep(1.0)
        ready_at_ms.append(time.time() * 1000)
        await session.ready()
        await session.bye()

    async with scripted(script) as server:
        await page.goto(server.url)
        plain = {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}
        stored = json.dumps(json.dumps(plain))
        await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
        await start(page, server)
        await page.wait_for("performance.now() > 2500")
        await stop(page)
        session = server.sessions[0]

    frames = session.frames
    rate = session.start.sample_rate
    assert [f.seq for f in frames] == list(range(len(frames)))
    ends = np.cumsum([len(f.samples) for f in frames])
    assert [f.sample_offset for f in frames] == [0, *ends[:-1]]
    assert frames[0].capture_time_ms < ready_at_ms[0] - 500
    durations_ms = np.diff([f.capture_time_ms for f in frames])
    assert abs(durations_ms.sum() - 1000 * ends[-2] / rate) < 100
    assert 30 < 1000 * len(frames[0].samples) / rate < 80
    sound = np.concatenate([f.samples for f in frames])[rate // 4 :]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(np.argmax(spectrum) * rate / len(sound) - TONE_HZ) < 5


async def test_file_is_played_at_its_own_speed_to_its_end(page: Page, tone_file: Path) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.bye()

    async with scripted(script) as server:
        await page.goto(server.url)
        began = time.monotonic()
        await page.choose_file("#file", tone_file)
        await page.wait_for(LIVE)
        await page.wait_for(IDLE)
        assert time.monotonic() - began > 2.9
        session = server.sessions[0]
        duration_s = sum(len(f.samples) for f in session.frames) / session.start.sample_rate
        assert 3.0 <= duration_s < 3.6
        assert np.abs(session.frames[0].samples).max() > 0.1


async def test_broken_file_is_explained(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound")
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        await page.choose_file("#file", broken)
        await page.wait_for(f"{NOTICES}.includes('cannot be read as audio')")
        assert await page.evaluate(IDLE)


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
        await page.wait_for(f"{NOTICES} === 'Nothing came.'")
        await page.wait_for(IDLE)
        assert await page.evaluate(COMMITTED) == "The sun"
        assert await page.evaluate(TENTATIVE) == ""


async def test_lost_connection_is_explained(page: Page) -> None:
    async def script(session: ScriptedSession) -> None:
        await session.ready()

    async with scripted(script, close_code=1011) as server:
        await start(page, server)
        await page.wait_for(f"{NOTICES}.includes('The connection was lost')")
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
        await page.wait_for(f"{NOTICES}.includes('cannot be reached')")
        await page.wait_for(IDLE)
        assert all("403" in problem for problem in page.problems)
        page.problems.clear()


async def test_token_of_the_address_travels_as_subprotocol(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await start(page, server, "?token=s3cret")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        await stop(page)
        assert server.subprotocols == [["streamer.v1", "token.s3cret"]]


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


async def test_keyboard_alone_starts_and_stops(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        for _ in range(20):
            await page.press("Tab", 9)
            if await page.evaluate("document.activeElement.id") == "toggle":
                break
        await page.press("Enter", 13, "\r")
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        assert await page.evaluate("document.querySelector('#toggle').ariaPressed") == "true"
        await page.evaluate("document.querySelector('#toggle').focus(); 0")
        await page.press("Enter", 13, "\r")
        await page.wait_for(IDLE)


async def test_text_size_and_theme_are_kept(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        size = "document.documentElement.style.getPropertyValue('--caption-size')"
        before = await page.evaluate(size)
        await page.click("#larger")
        await page.click("#theme")
        await page.goto(server.url)
        assert float((await page.evaluate(size))[:-3]) > float(before[:-3])
        assert await page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("width", [320, 390, 800, 1440])
async def test_page_fits_the_screen(page: Page, width: int) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.resize(width, 700, mobile=width < 500)
        await start(page, server)
        await page.wait_for(f"{TENTATIVE} === 'stirred'")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await stop(page)
        await page.resize(1280, 800)


async def test_every_control_has_a_name(page: Page) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        await page.click("#settings-open")
        await page.wait_for("document.querySelector('#settings').open")
        await page.call("Accessibility.enable")
        tree = await page.call("Accessibility.getFullAXTree")
        roles = {"button", "textbox", "combobox", "checkbox", "dialog"}
        controls = [n for n in tree["nodes"] if n.get("role", {}).get("value") in roles]
        assert len(controls) >= 7
        assert [n for n in controls if not n.get("name", {}).get("value")] == []
        await page.call("Accessibility.disable")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Promise.reject(new DOMException('no', 'NotAllowedError'))", "No tab was shared"),
        ("Promise.resolve(document.createElement('canvas').captureStream())", "without sound"),
    ],
)
async def test_tab_that_is_not_shared_or_silent_is_explained(
    page: Page, answer: str, told: str
) -> None:
    async with scripted(captions_of_two_segments) as server:
        await page.goto(server.url)
        await page.evaluate(f"navigator.mediaDevices.getDisplayMedia = () => {answer}; 0")
        await page.click("#tab-open")
        await page.wait_for(f"{NOTICES}.includes('{told}')")
        assert await page.evaluate(IDLE)
        assert server.sessions == []


@pytest.mark.usefixtures("chromium")
async def test_refused_microphone_is_explained() -> None:
    options = BrowserOptions(grant_microphone=False)
    async with scripted(captions_of_two_segments) as server, open_page(options) as page:
        await start(page, server)
        await page.wait_for(f"{NOTICES}.includes('The microphone was refused')")
        await page.wait_for(IDLE)
        assert page.problems == []
