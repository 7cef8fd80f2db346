"""What a page of one's own sends to Deepgram: the pieces of the browser's MediaRecorder, as they
are, to real models."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from streamer.client.bundled import bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import LEAD_IN_S, microphone_file, serve_page
from tests.browser.chromium import BrowserOptions, open_page

pytest.importorskip("av", reason="the extra media is not installed")

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
TEXT = """
results.filter(one => one.type === 'Results' && one.is_final)
  .map(one => one.channel.alternatives[0].transcript).join(' ')
"""


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("mime_type", ["audio/webm;codecs=opus", "audio/mp4"])
async def test_what_it_records_is_captioned(engine: Engine, tmp_path: Path, mime_type: str) -> None:
    clip = next(one for one in bundled_speech() if one.label is None)
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
        heard = await page.evaluate(TEXT)
    assert word_errors(clip.text, heard).rate <= 0.3, heard
