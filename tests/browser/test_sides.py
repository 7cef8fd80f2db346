"""Two sides of a conversation, and who speaks: names at lines, in files and in the history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from streamer.client.bundled import SpeechClip, bundled_speech
from streamer.protocol.messages import WordsEvent
from streamer.protocol.speakers import SpeakersEvent
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import PAUSE_S, microphone_file, serve_page, share_clips
from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.conftest import TONE_HZ
from tests.browser.page_state import IDLE, LIVE, NOTICES, rename, saved, stop, violations
from tests.browser.scripted_server import ScriptedSession, scripted
from tests.browser.scripts import final, said_by, update

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHARED_HZ = 1000
SHARE_A_TONE = """(() => {
  navigator.mediaDevices.getDisplayMedia = async () => {
    window.sharing = new AudioContext();
    const tone = sharing.createOscillator();
    tone.frequency.value = 1000;
    const out = sharing.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    window.shared = out.stream.getAudioTracks()[0];
    return out.stream;
  };
})()"""
LINES = (
    "[...document.querySelectorAll('.line')].map(line => {"
    " const who = line.querySelector('.who');"
    " return [who && !who.hidden ? who.textContent : '',"
    " line.querySelector('.text').textContent.trim()]; })"
)
MARKS = "[...document.querySelectorAll('.voice-mark')].map(mark => mark.textContent)"
SAID_BY_SIDE = """(() => {
  const said = {};
  let name = "";
  for (const line of document.querySelectorAll(".line")) {
    name = line.querySelector(".who:not([hidden])")?.textContent ?? name;
    said[name] = `${said[name] ?? ""} ${line.querySelector(".text").textContent}`;
  }
  return said;
})()"""
SAID = "[...document.querySelectorAll('#announcer p')].map(p => p.textContent)"


async def tell_apart(page: Page, people: int) -> None:
    """Ask who speaks, in the settings."""
    await page.click("#settings-open")
    await page.wait_for("document.querySelector('#settings').open")
    await page.click("#speakers")
    await page.evaluate(f"document.querySelector('#people').value = '{people}'; 0")
    await page.click("#settings-close")


async def said_by_each(page: Page, theirs: Sequence[SpeechClip], seconds: float) -> dict[str, str]:
    """Hear the microphone and the others, and give the words by the names at the lines."""
    await share_clips(page, theirs)
    await page.click("#sides-open")
    await page.wait_for(LIVE)
    await page.evaluate("sharing.resume()")
    await asyncio.sleep(seconds)
    await page.click("#toggle")
    await page.wait_for(IDLE, timeout_s=60)
    assert page.problems == []
    said: dict[str, str] = await page.evaluate(SAID_BY_SIDE)
    return said


def of_the_other(event: WordsEvent) -> WordsEvent:
    return event.model_copy(update={"channel": 1})


async def a_conversation(session: ScriptedSession) -> None:
    await session.ready()
    await session.send(update("Are you", "there", first_id=0, segment_id=0))
    await session.send(of_the_other(update("Yes", "I am", first_id=5, segment_id=1)))
    await session.send(final("Are you there", first_id=0, segment_id=0))
    # It began before what was shown last.
    await session.send(update("Good", "", first_id=4, segment_id=2))
    await session.bye()


async def test_two_sides_have_names_and_the_order_in_which_they_begin(
    page: Page, axe: str, tmp_path: Path
) -> None:
    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    await page.emulate_media(prefers_reduced_motion="reduce")
    async with scripted(a_conversation) as server:
        await page.goto(server.url)
        await page.evaluate(SHARE_A_TONE)
        await page.click("#sides-open")
        await page.wait_for(LIVE)
        await page.wait_for("document.querySelectorAll('.line').length === 3")
        assert server.sessions[0].start.channels == 2
        assert await page.evaluate(LINES) == [
            ["You", "Are you there"],
            ["", "Good"],
            ["Others", "Yes I am"],
        ]
        assert await page.evaluate(MARKS) == ["Y", "Y", "O"]
        said = ["You:", "Are you", "Others:", "Yes", "You:", "there", "(happy)", "Good"]
        assert await page.evaluate(SAID) == said
        await rename(page, 1, "Ada <x>")
        assert [who for who, _ in await page.evaluate(LINES)] == ["You", "", "Ada <x>"]
        broken = await violations(page, axe)
        # The other side leaves, the session stays.
        await page.evaluate("shared.stop(); shared.dispatchEvent(new Event('ended')); 0")
        await page.wait_for(f"{NOTICES}.includes('microphone is still heard')")
        assert await page.evaluate(LIVE)
        await stop(page)
        written = (await saved(page, tmp_path, "txt")).read_text(encoding="utf-8")
        assert written == "You: Are you there\nGood\nAda <x>: Yes\n"
        assert "<v Ada &lt;x&gt;>Yes\n" in (await saved(page, tmp_path, "vtt")).read_text()
        assert "\nYou: (happy) Are you there\n" in (await saved(page, tmp_path, "srt")).read_text()
        lines = (await saved(page, tmp_path, "jsonl")).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["speaker"] for line in lines] == ["You", "You", "Ada <x>"]
        assert broken == []
        # The history has the names too, and can change them once more.
        await page.goto(f"{server.url}/history#1")
        await page.wait_for("document.querySelectorAll('.line').length === 3")
        assert [who for who, _ in await page.evaluate(LINES)] == ["You", "", "Ada <x>"]
        await rename(page, 0, "Grace")
        await page.wait_for("document.querySelector('#told').textContent === 'Renamed.'")
        await page.goto(f"{server.url}/history?again#1")
        await page.wait_for("document.querySelectorAll('.line').length === 3")
        assert [who for who, _ in await page.evaluate(LINES)] == ["Grace", "", "Ada <x>"]
    await page.emulate_media(prefers_reduced_motion="no-preference")


async def test_lines_are_parted_where_somebody_else_speaks(page: Page) -> None:
    heard = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.ready()
        await session.send(update("Are you there I am", "not"))
        told = (1, 1, 1, None, None)
        await session.send(SpeakersEvent(segment_id=0, first_word_id=0, speakers=told))
        await heard.wait()
        await session.send(said_by(0, final("Are you there"), "speaker"))
        await session.send(said_by(1, final("I am", first_id=3, segment_id=1), "silence"))
        await session.bye()

    async with scripted(script) as server:
        await page.goto(server.url)
        await tell_apart(page, 2)
        await page.click("#toggle")
        await page.wait_for("document.querySelector('.who')?.textContent === 'Speaker 2'")
        assert await page.evaluate(LINES) == [["Speaker 2", "Are you there I am not"]]
        assert server.sessions[0].start.speakers == 2
        await page.evaluate("window.first = document.querySelector('.word'); 0")
        heard.set()
        await page.wait_for("document.querySelectorAll('.line:not(.open)').length === 2")
        assert await page.evaluate(LINES) == [["Speaker 1", "Are you there"], ["Speaker 2", "I am"]]
        assert await page.evaluate("first.isConnected")
        await stop(page)
        said = ["Are you there I am", "Speaker 1:", "(happy)", "Speaker 2:"]
        assert await page.evaluate(SAID) == said


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_the_words_of_each_side_stand_under_its_name(engine: Engine, tmp_path: Path) -> None:
    """Both speak at the same time."""
    mine, theirs = [clip for clip in bundled_speech() if clip.label is None][:2]
    microphone = microphone_file([mine], tmp_path / "microphone.wav")
    options = BrowserOptions(microphone=microphone)
    async with serve_page(engine) as url, open_page(options) as page:
        await page.goto(url)
        seconds = max(mine.duration_s, theirs.duration_s) + 1.0
        said = await said_by_each(page, [theirs], seconds)
    for name, clip in (("You", mine), ("Others", theirs)):
        assert word_errors(clip.text, said[name]).rate <= 0.3, said


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_each_of_the_others_has_a_name_if_speakers_are_told(
    engine: Engine, tmp_path: Path
) -> None:
    mine, one, _, other, *_ = [clip for clip in bundled_speech() if clip.label is None]
    options = BrowserOptions(microphone=microphone_file([mine], tmp_path / "microphone.wav"))
    async with serve_page(engine) as url, open_page(options) as page:
        await page.goto(url)
        await tell_apart(page, 2)
        seconds = one.duration_s + PAUSE_S + other.duration_s + 1.0
        said = await said_by_each(page, [one, other], seconds)
    people = {"You": mine, "Others": one, "Others (2)": other}
    assert set(said) == set(people)
    for name, clip in people.items():
        assert word_errors(clip.text, said[name]).rate <= 0.3, said


async def test_both_sides_are_sent_by_one_clock(page: Page) -> None:
    async def listen(session: ScriptedSession) -> None:
        await session.ready()
        await session.bye()

    async with scripted(listen) as server:
        await page.goto(server.url)
        plain = {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}
        stored = json.dumps(json.dumps(plain))
        await page.evaluate(f"localStorage.setItem('streamer.preferences', {stored}); 0")
        await page.goto(server.url)
        await page.evaluate(SHARE_A_TONE)
        await page.click("#sides-open")
        await page.wait_for(LIVE)
        await page.wait_for("performance.now() > 3500")
        await stop(page)
        assert await page.evaluate(IDLE)
        session = server.sessions[0]
    rate = session.start.sample_rate
    sound = np.concatenate([frame.samples for frame in session.frames])[rate:]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))[:, None], axis=0))
    microphone_hz, shared_hz = np.argmax(spectrum, axis=0) * rate / len(sound)
    assert abs(microphone_hz - TONE_HZ) < 5
    assert abs(shared_hz - SHARED_HZ) < 5
