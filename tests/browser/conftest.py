"""A real browser for the tests of the caption page, or a clear reason why there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from streamer.app import ServerOptions
from tests.browser.chromium import BrowserOptions, Page, find_chromium, open_page
from tests.serving import ServerThread

MICROPHONE_RATE = 48_000
TONE_HZ = 440


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on PATH; install it to test the caption page")
    return path


@pytest.fixture(scope="session")
def tone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a tone."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    seconds = np.arange(3 * MICROPHONE_RATE) / MICROPHONE_RATE
    tone = 0.3 * np.sin(2 * np.pi * TONE_HZ * seconds)
    soundfile.write(path, tone, MICROPHONE_RATE, subtype="PCM_16")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(chromium: str, tone_file: Path) -> AsyncIterator[Page]:
    """One browser for a module, a tone as its microphone."""
    async with open_page(BrowserOptions(microphone=tone_file)) as page:
        yield page


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    package = pytest.importorskip("axe_playwright_python")
    return (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """A real server with a fake engine."""
    with ServerThread(ServerOptions(heartbeat_s=0.1)) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def page(tab: Page) -> AsyncIterator[Page]:
    """The tab with nothing stored; a test that leaves errors or policy violations in its console
    fails."""
    kept = "local_storage,indexeddb"
    await tab.call("Storage.clearDataForOrigin", origin="*", storageTypes=kept)
    tab.problems.clear()
    yield tab
    await tab.goto("about:blank")
    assert tab.problems == []
