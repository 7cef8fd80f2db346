"""The caption page as people meet it: real server, real models, recorded speech to hear."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr

from streamer.app import ServerOptions, create_app, serve
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled import SpeechClip, page_folder
from streamer.recognition.engine import Engine
from tests.borrowed_engine import BorrowedEngine
from tests.browser.chromium import Page
from tests.browser.gecko.firefox import FirefoxPage

MICROPHONE_RATE: Final = 48_000
LEAD_IN_S: Final = 0.5
PAUSE_S: Final = 1.5
TAIL_S: Final = 120.0
"""The browser plays its microphone file over and over; this long it is silent in between."""


_SHARE: Final = """(async () => {
  window.sharing = new AudioContext();
  await sharing.suspend();
  const out = sharing.createMediaStreamDestination();
  let at = 0;
  for (const clip of CLIPS) {
    const bytes = Uint8Array.from(atob(clip), (letter) => letter.charCodeAt(0));
    const source = sharing.createBufferSource();
    source.buffer = await sharing.decodeAudioData(bytes.buffer);
    source.connect(out);
    source.start(at);
    at += source.buffer.duration + PAUSE;
  }
  navigator.mediaDevices.ASKED = async () => out.stream;
})()"""


@asynccontextmanager
async def serve_page(engine: Engine, options: ServerOptions | None = None) -> AsyncIterator[str]:
    """Serve the page on a free local port and give its URL; the engine stays open."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    app = create_app(BorrowedEngine(engine), options or ServerOptions(), page_folder())
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, url.set_result, stop))
    either: set[asyncio.Future[Any]] = {serving, url}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not url.done():
        await serving
        raise RuntimeError("the server ended before it had begun")
    try:
        yield url.result()
    finally:
        stop.set()
        await serving


async def share_clips(
    page: Page | FirefoxPage, clips: Sequence[SpeechClip], asked: str = "getDisplayMedia"
) -> None:
    """Let what the page asks to be shared be clips with pauses between them, from the moment that
    `sharing.resume()` is called on the page. `asked`: how the page asks."""
    encoded = [base64.b64encode(clip.path.read_bytes()).decode() for clip in clips]
    script = _SHARE.replace("CLIPS", json.dumps(encoded)).replace("PAUSE", str(PAUSE_S))
    await page.evaluate(script.replace("ASKED", asked))


def microphone_file(clips: Sequence[SpeechClip], path: Path) -> Path:
    """Write clips with pauses between them in the form that Chromium plays best."""
    parts = [np.zeros(round(LEAD_IN_S * SAMPLE_RATE), np.float32)]
    for clip in clips:
        parts += [read_samples(clip.path), np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)]
    parts.append(np.zeros(round(TAIL_S * SAMPLE_RATE), np.float32))
    speech = soxr.resample(np.concatenate(parts), SAMPLE_RATE, MICROPHONE_RATE)
    soundfile.write(path, speech, MICROPHONE_RATE, subtype="PCM_16")
    return path
