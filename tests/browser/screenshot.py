"""Pictures of the caption page at work: bundled speech through a real browser and server.

`python -m tests.browser.screenshot` writes `page-light.png`, `page-dark.png`, `page-phone.png`,
`page-meeting.png` and `page-dead.png` into `benchmarks/results`, which README.md shows, and
`reader-phone.png` and `overlay.png`, which docs/quickstart.md shows; with names behind it, those
alone.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.client.bundled import SpeechClip, bundled_speech
from streamer.recognition.engine import Engine, EngineOptions
from tests.browser.captioned_page import microphone_file, serve_page, share_clips
from tests.browser.chromium import BrowserOptions, open_page
from tests.browser.page_state import rename
from tests.sockets import cutting_proxy

RESULTS: Final = Path(__file__).parents[2] / "benchmarks" / "results"
TIMEOUT_S: Final = 90.0
OTHERS_WAIT_S: Final = 1.0


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the colour scheme, the size of the window."""

    name: str
    scheme: str
    width: int
    height: int
    is_dead: bool = False
    """Whether the server has stopped to answer."""


SHOTS: Final = (
    Shot("page-light", "light", 1280, 800),
    Shot("page-dark", "dark", 1280, 800),
    Shot("page-phone", "light", 390, 780),
    Shot("page-dead", "light", 1280, 480, is_dead=True),
)
MEETING: Final = Shot("page-meeting", "light", 1280, 640)
NO_ANSWER: Final = "document.querySelector('#banner-count').textContent.startsWith('8 s')"
FOLLOWING: Final = (Shot("reader-phone", "light", 390, 780), Shot("overlay", "light", 1280, 400))
ADDRESSES: Final = {"reader-phone": "#reader-address", "overlay": "#share-address"}
"""The fields on the page that hold theirs."""
A_PICTURE: Final = "document.documentElement.style.cssText = 'height: 100%; background: #4b5a4a'; 0"
"""Something for the overlay to lie over."""
SPEAKING: Final = (
    "document.querySelectorAll('.line').length >= {lines}"
    " && document.querySelectorAll('.line.open .word').length >= 8"
    " && document.querySelector('.tentative')?.textContent.length > 4"
)


def chosen_clips() -> list[SpeechClip]:
    """Acted emotions, then read speech, which is still being spoken in the picture."""
    clips = bundled_speech()
    acted = [clip for clip in clips if clip.label not in (None, "neutral")]
    return [*acted[:4], next(clip for clip in clips if clip.label is None)]


async def take(shot: Shot, url: str, microphone: Path, finished_lines: int) -> Path:
    """Caption the microphone until the last clip is being spoken, and photograph the page.

    Raises:
        TimeoutError: the captions did not come.
    """
    path = RESULTS / f"{shot.name}.png"
    async with (
        cutting_proxy(url) as proxy,
        open_page(BrowserOptions(microphone=microphone)) as page,
    ):
        await page.resize(shot.width, shot.height, mobile=shot.width < 500)
        await page.emulate_media(prefers_color_scheme=shot.scheme)
        await page.goto(proxy.url)
        await page.click("#toggle")
        await page.wait_for(
            f"document.querySelectorAll('.line .emotion').length >= {finished_lines}"
            " && document.querySelectorAll('.line.open .word').length >= 8"
            " && document.querySelector('.tentative')?.textContent.length > 4",
            TIMEOUT_S,
        )
        if shot.is_dead:
            proxy.stall()
            await page.wait_for(NO_ANSWER, TIMEOUT_S)
        await page.screenshot(path)
    return path


async def take_meeting(shot: Shot, url: str, folder: Path) -> Path:
    """Two sides of a conversation, one of which has a name.

    Raises:
        TimeoutError: the captions did not come.
    """
    path = RESULTS / f"{shot.name}.png"
    first, second, third, *_ = chosen_clips()
    read, read_too, *_ = [clip for clip in bundled_speech() if clip.label is None]
    microphone = microphone_file([first, third, read], folder / "one-side.wav")
    async with open_page(BrowserOptions(microphone=microphone)) as page:
        await page.resize(shot.width, shot.height)
        await page.emulate_media(prefers_color_scheme=shot.scheme)
        await page.goto(url)
        await share_clips(page, [second, read_too])
        await page.click("#sides-open")
        await page.wait_for("document.querySelectorAll('.line .word').length >= 2", TIMEOUT_S)
        await asyncio.sleep(OTHERS_WAIT_S)
        await page.evaluate("sharing.resume()")
        await page.wait_for(SPEAKING.format(lines=5), TIMEOUT_S)
        await rename(page, 1, "Ada")
        await page.evaluate("document.activeElement.blur(); 0")
        await page.screenshot(path)
    return path


async def take_following(shot: Shot, url: str, microphone: Path) -> Path:
    """The same, of a page that follows: another browser's.

    Raises:
        TimeoutError: the captions did not come.
    """
    path = RESULTS / f"{shot.name}.png"
    async with open_page(BrowserOptions(microphone=microphone)) as page, open_page() as other:
        await page.goto(url)
        await page.click("#toggle")
        field = f"document.querySelector('{ADDRESSES[shot.name]}').value"
        address = await page.wait_for(field, TIMEOUT_S)
        await other.resize(shot.width, shot.height, mobile=shot.width < 500)
        await other.emulate_media(prefers_color_scheme=shot.scheme)
        await other.goto(address)
        if shot.name == "overlay":
            await other.evaluate(A_PICTURE)
        await other.wait_for(SPEAKING.format(lines=4), TIMEOUT_S)
        await other.screenshot(path)
    return path


async def main(names: Sequence[str]) -> None:
    clips = chosen_clips()
    engine = Engine.load(EngineOptions(), progress=print)
    try:
        with tempfile.TemporaryDirectory() as folder:
            microphone = microphone_file(clips, Path(folder) / "microphone.wav")
            async with serve_page(engine) as url:
                for shot in (*SHOTS, MEETING, *FOLLOWING):
                    if names and shot.name not in names:
                        continue
                    if shot is MEETING:
                        path = await take_meeting(shot, url, Path(folder))
                    elif shot in FOLLOWING:
                        path = await take_following(shot, url, microphone)
                    else:
                        path = await take(shot, url, microphone, len(clips) - 1)
                    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    finally:
        engine.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
