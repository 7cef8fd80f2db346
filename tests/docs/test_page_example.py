"""The example of docs/quickstart.md for web pages: a page from elsewhere, in a real browser."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamer.app import ServerOptions
from tests.borrowed_engine import BorrowedEngine
from tests.browser.chromium import find_chromium, open_page
from tests.contract.conftest import Speech
from tests.docs.blocks import ROOT, blocks
from tests.serving import ServerThread

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def page_folder(tmp_path: Path, speech: Speech) -> Path:
    """What somebody has who followed the document."""
    shutil.copytree(ROOT / "clients" / "web" / "protocol", tmp_path / "protocol")
    shutil.copy(speech.path, tmp_path / "talk.wav")
    (tmp_path / "index.html").write_text(
        '<!doctype html><title>loading</title><link rel="icon" href="data:,"><body>'
        '<script type="module" src="example.js"></script>'
    )
    return tmp_path


@pytest.fixture
def origin(page_folder: Path) -> Iterator[str]:
    """Where the page is served, which is not where the captions are."""
    handler = partial(_Quiet, directory=str(page_folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()
        thread.join()


@pytest.mark.slow
async def test_the_page_shows_what_was_said(
    engine: Engine, page_folder: Path, origin: str, speech: Speech
) -> None:
    if find_chromium() is None:
        pytest.skip("no Chromium on PATH; install it to test the page's example")
    (example,) = blocks("js")
    options = ServerOptions(allow_origin=(origin,))
    with ServerThread(options, real_engine=BorrowedEngine(engine)) as server:
        address = server.url.removesuffix("/v1/stream")
        text = example.text.replace("ws://localhost:8765", address)
        assert text != example.text
        (page_folder / "example.js").write_text(text)
        async with open_page() as page:
            await page.goto(f"{origin}/index.html")
            await page.wait_for("document.title !== 'loading'")
            assert await page.evaluate("document.title") == "done"
            shown = await page.evaluate("document.body.innerText")
            assert page.problems == []
    assert speech.errors_in(shown) <= 0.25  # labels stand behind the segments
