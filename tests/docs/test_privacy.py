"""What docs/privacy.md promises, on the real server with real speech."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import weakref
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import httpx
import psutil
import pytest

from streamer.app import ServerOptions
from streamer.audio.ring_buffer import RingBuffer
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import connect
from streamer.client.transcript import ServerRefusedError
from streamer.hosting.resumable_session import ResumableSession
from streamer.models.emotion.track import TrackOptions
from streamer.models.llm.contract import MAX_CONTEXT_TOKENS
from streamer.protocol.messages import StartMessage
from streamer.recognition.options import RecognizerOptions
from tests.borrowed_engine import BorrowedEngine
from tests.browser.captioned_page import microphone_file, serve_page
from tests.browser.chromium import BrowserOptions, find_chromium, open_page
from tests.contract.conftest import RATE, TOKEN, Speech
from tests.docs.blocks import DOCS, ROOT
from tests.serving import ServerThread

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine

pytestmark = pytest.mark.slow

SECRET = "a secret of sixteen or more"
WRONG_TOKEN = "wr0ng-token"
START = StartMessage(context="Zanzibar", hot_words=("Quetzalcoatl",), live=False)
WATCHED_SERVER = """
import logging, os, sys
logging.basicConfig(level=logging.INFO)
TELLING = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "os.rename", "os.mkdir",
           "subprocess.Popen", "os.posix_spawn", "os.fork"}

def watch(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in TELLING:
        os.write(2, f"TOUCHED {event} {arguments}\\n".encode())

sys.addaudithook(watch)
open(os.devnull, "w").close()
from streamer.cli import main
main()
"""


@dataclass(frozen=True)
class Life:
    """A whole server's: one client refused, one served, the metrics read."""

    said_before: str
    """On its terminal, until it was ready."""
    said: str
    """And from then on."""
    metrics: str
    transcript: str
    session_id: str
    stored_bytes: int
    peers: set[str]
    """Addresses that it was connected to while somebody spoke."""


@pytest.fixture(scope="module")
def life(speech: Speech) -> Life:
    if sys.platform != "linux":
        pytest.skip("what a process stores is counted on Linux only")
    options = ["serve", "--port", "0", "--token", TOKEN]
    command = [sys.executable, "-B", "-c", WATCHED_SERVER, *options]
    said = os.memfd_create("said")  # not a file: what is written there does not count
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1].partition("?")[0]
        ready_at = os.fstat(said).st_size
        server = psutil.Process(process.pid)
        try:
            stored = server.io_counters().write_bytes
            socket_url = f"{url.replace('http', 'ws', 1)}v1/stream"
            with pytest.raises(ServerRefusedError):
                asyncio.run(_caption(socket_url, speech, WRONG_TOKEN, server))
            transcript, session_id, peers = asyncio.run(_caption(socket_url, speech, TOKEN, server))
            with urlopen(f"{url}metrics") as answer:
                metrics = answer.read().decode()
            stored = server.io_counters().write_bytes - stored
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    told = os.pread(said, os.fstat(said).st_size, 0)
    os.close(said)
    before, after = told[:ready_at].decode(), told[ready_at:].decode()
    return Life(before, after, metrics, transcript, session_id, stored, peers)


def test_a_live_session_writes_no_file_and_opens_no_connection(life: Life) -> None:
    assert "TOUCHED open" in life.said_before  # the watch works
    assert "TOUCHED socket" not in life.said_before
    assert "TOUCHED" not in life.said
    assert life.stored_bytes == 0
    assert life.peers == {"127.0.0.1"}


def test_logs_hold_no_words_and_no_secrets(life: Life) -> None:
    assert life.session_id in life.said  # it is the log
    assert "127.0.0.1" not in life.said
    _assert_silent(life.said, life.transcript)


def test_metrics_hold_no_words_and_no_ids(life: Life) -> None:
    assert "streamer_words_committed_total" in life.metrics
    _assert_silent(life.metrics, life.transcript)
    assert life.session_id not in life.metrics


async def test_a_trace_holds_no_words(engine: Engine, speech: Speech, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    with ServerThread(ServerOptions(trace=trace), real_engine=BorrowedEngine(engine)) as server:
        transcript, _, _ = await _caption(server.url, speech, None, None)
    spans = json.loads(trace.read_text())
    assert "encode" in {span["name"] for span in spans}
    _assert_silent(trace.read_text(), transcript)


async def test_a_store_holds_committed_words_and_forgets_them(
    engine: Engine, speech: Speech, tmp_path: Path
) -> None:
    store = tmp_path / "store.db"
    options = ServerOptions(store=store, resume_s=3.0)
    start = START.model_copy(update={"share_secret": SECRET})
    with ServerThread(options, real_engine=BorrowedEngine(engine)) as server:
        async with connect(server.url, start) as client:
            await client.send_audio(speech.samples)
            await client.stop()
            assert client.ready is not None
            told, token = client.transcript.words, client.ready.resume_token
        copy = tmp_path / "copy" / "store.db"
        copy.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{store}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as database:
            texts = database.execute("SELECT text FROM words ORDER BY id").fetchall()
            (settings,) = database.execute("SELECT start FROM sessions").fetchone()
        assert [text for (text,) in texts] == [word.text for word in told]
        assert "Zanzibar" in settings
        on_disk = copy.read_bytes()
        assert b"Zanzibar" in on_disk
        assert token is not None
        for secret in (SECRET, token, "127.0.0.1", "probs"):
            assert secret.encode() not in on_disk
        assert speech.samples[20_000:20_016].tobytes() not in on_disk
        await asyncio.sleep(4)
    assert sorted(tmp_path.iterdir()) == [copy.parent, store]
    _assert_silent(store.read_bytes().decode("latin-1"), client.transcript.text)


async def test_uploads_are_deleted(
    engine: Engine, speech: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ServerThread(real_engine=BorrowedEngine(engine)) as server:
        async with httpx.AsyncClient(timeout=60) as client:
            request = client.post(
                f"{server.http_url}v1/audio/transcriptions",
                files={"file": speech.path.read_bytes()},
                data={"model": "streamer"},
            )
            answering = asyncio.create_task(request)
            while not list(tmp_path.iterdir()):
                assert not answering.done()
                await asyncio.sleep(0.01)
            answer = await answering
    assert speech.errors_in(answer.json()["text"]) <= 0.25
    assert list(tmp_path.iterdir()) == []


async def test_nothing_of_a_session_is_left(engine: Engine, speech: Speech) -> None:
    """Its sound goes when it ends, its captions when nobody can come back for them any more."""
    options = ServerOptions(resume_s=2.0)
    with ServerThread(options, real_engine=BorrowedEngine(engine)) as server:
        others = {kind: _living(kind) for kind in (RingBuffer, ResumableSession)}
        async with connect(server.url, START) as client:
            await client.send_audio(speech.samples[:RATE])
            sound, captions = (
                [weakref.ref(thing) for thing in _living(kind) if thing not in known]
                for kind, known in others.items()
            )
            assert len(sound) == len(captions) == 1
            await client.stop()
        await _until_gone(*sound)
        await _until_gone(*captions)


async def test_the_browser_keeps_preferences_and_the_history_only(
    engine: Engine, tmp_path: Path
) -> None:
    if find_chromium() is None:
        pytest.skip("no Chromium on PATH; install it to test what the page stores")
    clip = min((c for c in bundled_speech() if c.label is None), key=lambda c: c.duration_s)
    microphone = tmp_path / "microphone.wav"
    microphone_file([clip], microphone)
    async with serve_page(engine) as url, open_page(BrowserOptions(microphone)) as page:
        await page.goto(url)
        await page.evaluate("document.querySelector('#toggle').click()")
        await page.wait_for("document.querySelectorAll('.word').length > 14", 60)
        await page.evaluate("document.querySelector('#toggle').click()")
        await page.wait_for("document.querySelector('#status').dataset.state === 'idle'", 60)
        said = await page.evaluate("document.querySelector('#lines').textContent")
        stored = await page.evaluate("JSON.stringify({...localStorage})")
        elsewhere = await page.evaluate(
            """(async () => [
              document.cookie, sessionStorage.length, await indexedDB.databases(),
              await caches.keys(), await navigator.serviceWorker.getRegistrations(),
              await Array.fromAsync((await navigator.storage.getDirectory()).keys()),
            ].flat())()"""
        )
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)"
        )
    assert list(json.loads(stored)) == ["streamer.preferences"]
    _assert_silent(stored, said)
    assert elsewhere == ["", 0, {"name": "streamer.history", "version": 1}]
    assert {*loaded} - {"null"} == {url.rstrip("/")}


def test_the_document_tells_the_limits_that_the_code_has() -> None:
    text = (DOCS / "privacy.md").read_text(encoding="utf-8")
    recognizer, server = RecognizerOptions(), ServerOptions()
    decoder = recognizer.decoder
    window_ms = decoder.max_window_ms + decoder.agreement.max_open_ms
    recording = (ROOT / "clients" / "web" / "audio" / "recording.js").read_text(encoding="utf-8")
    (minutes,) = re.findall(r"RECORDED_MINUTES = (\d+)", recording)
    log = (ROOT / "streamer" / "hosting" / "event_log.py").read_text(encoding="utf-8")
    (events,) = re.findall(r"_KEPT_EVENTS: Final = (\d+)", log)
    for told in (
        f"the newest {(recognizer.buffer_ms + 2 * window_ms) / 1000:g} s, at 16 kHz",
        f"the newest {int(events):,} events",
        f"`--resume-seconds` ({server.resume_s:g})",
        f"the newest {MAX_CONTEXT_TOKENS} tokens",
        f"{recognizer.kept_segments} segments in the ledger",
        f"the newest {TrackOptions().keep_s / 60:g} minutes",
        f"up to {server.followed_segments} segments back",
        f"the newest {minutes} minutes",
        f"up to {ReconnectOptions().keep_s:g} s of sound",
    ):
        assert told in text, told


async def _caption(
    url: str, speech: Speech, token: str | None, server: psutil.Process | None
) -> tuple[str, str, set[str]]:
    async with connect(url, START, token) as client:
        for at in range(0, len(speech.samples), RATE // 10):
            await client.send_audio(speech.samples[at : at + RATE // 10])
        connections = server.net_connections("inet") if server is not None else []
        await client.stop()
        assert client.ready is not None
        peers = {connection.raddr.ip for connection in connections if connection.raddr}
        return client.transcript.text, client.ready.session_id, peers


def _living(kind: type) -> list[object]:
    return [thing for thing in gc.get_objects() if type(thing) is kind]


async def _until_gone(thing: weakref.ref[object]) -> None:
    for _ in range(40):
        gc.collect()
        if thing() is None:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"{thing()} is still there")


def _assert_silent(text: str, transcript: str) -> None:
    """No word of what was said, or of what the client told the server, is in the text."""
    words = {word for word in re.findall(r"\w+", transcript.lower()) if len(word) > 4}
    assert len(words) > 5
    told = {START.context, *START.hot_words, TOKEN, WRONG_TOKEN}
    found = set(re.findall(r"\w+", text.lower())) & words
    assert not found
    assert not {secret for secret in told if secret.lower() in text.lower()}
