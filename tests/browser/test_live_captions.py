"""Recorded speech as Chromium's microphone, through the page, the real server and real models."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.captioned_page import microphone_file, serve_page
from benchmarks.chromium import BrowserOptions, Page, open_page
from streamer.bundled_speech import bundled_speech
from streamer.engine import Engine
from streamer.wer import word_errors

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
COMMITTED = "[...document.querySelectorAll('.word')].map(node => node.textContent).join(' ')"
IDLE = "document.querySelector('#status').dataset.state === 'idle'"


def text(selector: str) -> str:
    return f"document.querySelector('{selector}').textContent"


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
async def test_spoken_words_appear_on_the_page(engine: Engine, tmp_path: Path) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
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
    assert errors.rate <= 0.2, shown
    assert await page.evaluate("seen") == {"tentative": True, "changed": 0}
    assert await page.evaluate("document.querySelector('.line.open')") is None
    assert page.problems == []
