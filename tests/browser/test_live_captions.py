"""Recorded speech through the page, the real server and real models: as Chromium's microphone, as a
file, and from another tab."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled import SpeechClip, bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import LEAD_IN_S, microphone_file, serve_page
from tests.browser.chromium import BrowserOptions, Page, open_page
from tests.browser.page_state import COMMITTED, IDLE, saved
from tests.browser.scripted_server import serve

WATCH = """
window.seen = { tentative: false, changed: 0 };
const isWord = node => node.classList?.contains('word');
new MutationObserver(changes => {
  if (document.querySelector('.tentative')?.textContent) seen.tentative = true;
  for (const change of changes) {
    if (isWord(change.target) || isWord(change.target.parentElement)) seen.changed += 1;
    seen.changed += [...change.removedNodes].filter(isWord).length;
  }
}).observe(document.querySelector('#lines'),
           { subtree: true, childList: true, characterData: true });
0
"""
RECORD = """
(async () => {
  window.results = [];
  window.sizes = [];
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const url = 'ws://' + location.host + '/v1/listen?model=streamer-draft&interim_results=true';
  const socket = new WebSocket(url, ['token', 'any']);
  await new Promise(resolve => { socket.onopen = resolve; });
  socket.onmessage = message => results.push(JSON.parse(message.data));
  socket.onclose = event => { window.closeCode = event.code; };
  window.recorder = new MediaRecorder(stream, { mimeType: MIME_TYPE });
  recorder.ondataavailable = event => {
    if (event.data.size) { sizes.push(event.data.size); socket.send(event.data); }
  };
  recorder.onstop = () => socket.send(JSON.stringify({ type: 'CloseStream' }));
  recorder.start(250);
  return recorder.mimeType;
})()
"""
RECORDED_TEXT = """
results.filter(one => one.type === 'Results' && one.is_final)
  .map(one => one.channel.alternatives[0].transcript).join(' ')
"""
FOLLOWED = (
    "[overlay, reader].map(other => [...other.document.querySelectorAll('.word')]"
    ".map(node => node.textContent).join(' ')).join('|')"
)
SPEAKER = "<title>the speaker</title><audio src=/clip autoplay></audio>"


def read_clip() -> SpeechClip:
    return next(clip for clip in bundled_speech() if clip.label is None)


def text(selector: str) -> str:
    return f"document.querySelector('{selector}').textContent"


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_spoken_words_appear_on_the_page(engine: Engine, tmp_path: Path) -> None:
    clip = read_clip()
    microphone = microphone_file([clip], tmp_path / "microphone.wav")
    options = BrowserOptions(microphone=microphone)
    async with serve_page(engine) as url, open_page(options) as page:
        await page.goto(url)
        await page.evaluate(WATCH)
        await page.click("#toggle")
        await asyncio.sleep(clip.duration_s)
        await page.wait_for("document.querySelector('.line .emotion') !== null", timeout_s=30)
        assert await page.evaluate(f"{text('#emotion-badge')}.length > 1")
        assert "s" in await page.evaluate(text("#lag"))
        assert "ms" in await page.evaluate(text("#stages"))
        await page.click("#toggle")
        await page.wait_for(IDLE, timeout_s=30)
        await assert_captions_hold(page, clip.text)


async def assert_captions_hold(page: Page, reference: str) -> None:
    shown = await page.evaluate(COMMITTED)
    errors = word_errors(reference, shown)
    assert errors.rate <= 0.3, shown
    assert await page.evaluate("seen") == {"tentative": True, "changed": 0}
    assert await page.evaluate("document.querySelector('.line.open')") is None
    assert page.problems == []


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_a_file_is_captioned_followed_and_saved(engine: Engine, tmp_path: Path) -> None:
    clip = read_clip()
    async with serve_page(engine) as url, open_page() as page:
        await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        await page.goto(url)
        await page.evaluate(WATCH)
        await page.choose_file("#file", clip.path)
        address = "document.querySelector('#share-address').value"
        await page.wait_for(f"{address} !== ''")
        await page.evaluate(f"window.overlay = window.open({address} + '&hold=0'); 0")
        reader = "document.querySelector('#reader-address').value"
        await page.evaluate(f"window.reader = window.open({reader}); 0")
        await page.wait_for(IDLE, timeout_s=clip.duration_s + 60)
        await assert_captions_hold(page, clip.text)
        shown = await page.evaluate(COMMITTED)
        await page.wait_for(f"{FOLLOWED} === {json.dumps(f'{shown}|{shown}')}")
        await page.evaluate("overlay.close(); reader.close(); 0")
        for kind in ("srt", "vtt", "txt"):
            lines = (await saved(page, tmp_path, kind)).read_text(encoding="utf-8").splitlines()
            spoken = [part for part in lines if "-->" not in part and not part.isdigit()]
            joined = " ".join(spoken).replace("WEBVTT", "")
            assert " ".join(without_tags(joined).split()) == shown
        sound, rate = soundfile.read(await saved(page, tmp_path, "wav"), dtype="float32")
        assert alike(soxr.resample(sound, rate, SAMPLE_RATE), read_samples(clip.path))


def without_tags(vtt: str) -> str:
    for label in ("neutral", "happy", "sad", "angry", "fearful", "disgust", "unknown"):
        vtt = vtt.replace(f"<c.{label}>", "")
    return vtt.replace("</c>", "")


def alike(heard: np.ndarray, said: np.ndarray) -> bool:
    """Whether recordings are the same but for a shift, which may be a part of a sample."""
    fine = [soxr.resample(sound, SAMPLE_RATE, 8 * SAMPLE_RATE) for sound in (heard, said)]
    length = 2 ** int(np.ceil(np.log2(sum(len(sound) for sound in fine))))
    first, second = (np.fft.rfft(sound, length) for sound in fine)
    match = np.fft.irfft(first * np.conj(second)).max()
    return bool(match > 0.99 * np.linalg.norm(fine[0]) * np.linalg.norm(fine[1]))


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_the_sound_of_another_tab_is_captioned(engine: Engine) -> None:
    clip = read_clip()
    listening = asyncio.Event()

    async def speaker(request: Request) -> Response:
        return HTMLResponse(SPEAKER)

    async def sound(request: Request) -> Response:
        await listening.wait()
        return FileResponse(clip.path)

    app = Starlette(routes=[Route("/", speaker), Route("/clip", sound)])
    async with (
        serve_page(engine) as url,
        serve(app) as other,
        open_page(BrowserOptions(shared_tab="the speaker")) as page,
    ):
        await page.goto(url)
        await page.evaluate(WATCH)
        await page.open_behind(other, "the speaker")
        await page.click("#tab-open")
        await page.wait_for("document.querySelector('#status-text').textContent === 'Listening'")
        listening.set()
        await page.wait_for("document.querySelector('.line .emotion') !== null", timeout_s=60)
        await page.click("#toggle")
        await page.wait_for(IDLE, timeout_s=30)
        await assert_captions_hold(page, clip.text)


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("mime_type", ["audio/webm;codecs=opus", "audio/mp4"])
async def test_what_media_recorder_makes_is_captioned(
    engine: Engine, tmp_path: Path, mime_type: str
) -> None:
    """As a page of one's own sends it to Deepgram: in pieces, without a word about its format."""
    pytest.importorskip("av", reason="the extra media is not installed")
    clip = read_clip()
    microphone = microphone_file([clip], tmp_path / "microphone.wav")
    options = BrowserOptions(microphone=microphone)
    async with serve_page(engine) as url, open_page(options) as page:
        await page.goto(url)
        quoted = json.dumps(mime_type)
        if not await page.evaluate(f"MediaRecorder.isTypeSupported({quoted})"):
            pytest.skip(f"this Chromium does not record {mime_type}")
        await page.evaluate(RECORD.replace("MIME_TYPE", quoted))
        await asyncio.sleep(LEAD_IN_S + clip.duration_s + 1.0)
        # Words come while it is being recorded.
        assert await page.evaluate("results.some(one => one.type === 'Results')")
        await page.evaluate("recorder.stop()")
        assert await page.wait_for("window.closeCode", timeout_s=30) == 1000
        assert await page.evaluate("sizes.length") > 10
        heard = await page.evaluate(RECORDED_TEXT)
    assert word_errors(clip.text, heard).rate <= 0.3, heard
