"""What the caption page hears: a microphone, a file, another tab, and nothing during a pause."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.conftest import TONE_HZ
from tests.browser.page_state import COMMITTED, IDLE, LIVE, NOTICES, PAUSED, start, stop
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import captions_of_two_segments
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


@pytest.mark.usefixtures("chromium")
async def test_a_page_without_microphone_says_so_before_it_is_asked(tone_file: Path) -> None:
    """As over HTTP from another machine: what a page may then do is less."""
    named = BrowserOptions(extra_flags=("--host-resolver-rules=MAP captions.test 127.0.0.1",))
    async with scripted(captions_of_two_segments) as server, open_page(named) as page:
        await page.goto(server.url.replace("127.0.0.1", "captions.test"))
        assert not await page.evaluate("isSecureContext")
        told = "document.querySelector('#insecure').innerText"
        assert "streamer serve --tls" in await page.evaluate(told)
        await page.click("#toggle")
        await page.wait_for(f"{NOTICES}.includes('secure pages only')")
        assert server.sessions == []
        # Files are heard all the same.
        await page.choose_file("#file", tone_file)
        await page.wait_for(f"{COMMITTED}.startsWith('The sun')")
        await page.wait_for(IDLE)
        heard = sum(len(frame.samples) for frame in server.sessions[0].frames)
        assert heard == pytest.approx(3 * server.sessions[0].start.sample_rate, abs=2)
        assert page.problems == []
