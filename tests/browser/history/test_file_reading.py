"""A file that is captioned without being played: as fast as the server hears, and no faster."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamer.client.bundled import bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.browser.captioned_page import serve_page
from tests.browser.chromium import Page, open_page
from tests.browser.page_state import COMMITTED, IDLE, NOTICES, PAUSED, saved, violations
from tests.fakes import silence, tone
from tests.serving import ServerThread

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 16_000
AHEAD_S = 45.0
"""So much the page sends before the server has heard it."""
BAR = "document.querySelector('.file-progress')"


def recording(path: Path, seconds: int) -> Path:
    """Tones of three seconds, with pauses."""
    piece = np.concatenate([tone(3.0), silence(1.0)])
    soundfile.write(path, np.tile(piece, seconds // 4), RATE)
    return path


async def test_the_server_sets_the_pace_and_nothing_is_lost(
    page: Page, axe: str, server: ServerThread, tmp_path: Path
) -> None:
    await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    await page.goto(server.http_url)
    server.engine.hold.clear()
    await page.choose_file("#read", recording(tmp_path / "talk.wav", 120))
    await page.wait_for(f"{BAR} !== null")
    # While the server hears nothing, the page waits.
    await page.wait_for("performance.now() > 2500")
    await page.click("#pause")
    await page.wait_for(PAUSED)
    assert await violations(page, axe) == []
    assert server.engine.recognizers[0].received_samples / RATE <= AHEAD_S + 0.5
    assert not await page.evaluate(f"{BAR}.value > 0")
    server.engine.hold.set()
    await page.click("#pause")
    await page.wait_for(IDLE, timeout_s=60)
    (recognizer,) = server.engine.recognizers
    assert recognizer.received_samples == 120 * RATE
    assert recognizer.lost_samples == 0
    shown = (await page.evaluate(COMMITTED)).split()
    assert shown == [word.text for word in recognizer.ledger.words]
    # Two minutes of sound, before two minutes have passed: they were not played.
    lines = (await saved(page, tmp_path, "jsonl")).read_text(encoding="utf-8").splitlines()
    last_s = json.loads(lines[-1])["end_s"]
    assert last_s > 115
    assert 1000 * last_s > await page.evaluate("performance.now()")
    # Nobody knows when it was said.
    assert "time" not in json.loads(lines[0])
    assert await page.evaluate(f"{BAR} === null")


async def test_a_broken_file_is_explained(page: Page, server: ServerThread, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound")
    await page.goto(server.http_url)
    await page.choose_file("#read", broken)
    await page.wait_for(f"{NOTICES}.includes('cannot be read as audio')")
    assert await page.evaluate(IDLE)


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_real_speech_is_read_into_the_history(engine: Engine) -> None:
    clip = min((c for c in bundled_speech() if c.label is None), key=lambda c: c.duration_s)
    async with serve_page(engine) as url, open_page() as page:
        await page.goto(url)
        await page.choose_file("#read", clip.path)
        await page.wait_for(f"{COMMITTED} !== '' && {IDLE}", timeout_s=60)
        shown = await page.evaluate(COMMITTED)
        assert word_errors(clip.text, shown).rate <= 0.3, shown
        await page.goto(f"{url}history")
        await page.wait_for("document.querySelector('#sessions .title') !== null")
        title = await page.evaluate("document.querySelector('#sessions .title').textContent")
        assert title == clip.path.name
        await page.click("#sessions a")
        await page.wait_for(f"{COMMITTED} === {json.dumps(shown)}")
        assert page.problems == []
