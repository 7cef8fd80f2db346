"""Text that was made to keep a pattern busy, at every entrance: answered at once, as a pattern that
goes back and forth over it would hold up the whole server."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import json
import pkgutil
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from urllib.parse import quote, urlsplit

import httpx
import pytest
import soundfile
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams
from websockets.asyncio.client import connect

import streamer.dialects
import streamer.protocol
import streamer.server
from streamer.app import ServerOptions
from streamer.dialects.common.models import decoder_for
from streamer.dialects.common.settings import Offer, language_for
from streamer.dialects.deepgram.settings import read_settings
from streamer.dialects.openai.files import read_form
from streamer.protocol.errors import ProtocolError
from streamer.server.access import host_is_known, origin_is_allowed, token_is_right
from tests.fakes import tone
from tests.serving import ServerThread

LIMIT_S = 1.0
OFFER = Offer("draft", ("de", "en"))
HOSTILE = [
    "en" + "_a" * 26 + "!",
    "en" + "-a" * 4_000 + "!",
    "en" + "_" * 4_000,
    "whisper" + "-." * 4_000 + "!",
    "nova" + "-a" * 4_000 + "!",
    "1" * 8_000 + "x",
    ":1" * 4_000 + "x",
    "a" * 8_000,
    "((((" * 2_000,
    " " * 8_000,
    "\\" * 8_000,
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(wyoming_port=0)) as running:
        yield running


@contextmanager
def hard_limit(seconds: float) -> Iterator[None]:
    """For patterns, which hold up everything else in a process, but let signals through."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def listen_query(hostile: str) -> list[str]:
    base = "v1/listen?encoding=linear16&sample_rate=16000"
    settings = "language model keywords keyterm endpointing utterance_end_ms channels"
    names = f"{settings} interim_results token diarize".split()
    return [f"{base}&{name}={quote(hostile)}" for name in names] + [
        f"v1/listen?encoding={quote(hostile)}",
        f"v1/listen?encoding=linear16&sample_rate={quote(hostile)}",
        f"v1/realtime?model={quote(hostile)}",
        f"v1/stream?token={quote(hostile)}",
        f"v1/follow?session={quote(hostile)}",
    ]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:8])
async def test_addresses_of_websockets(server: ServerThread, hostile: str) -> None:
    root = server.http_url.replace("http", "ws", 1)
    for path in listen_query(hostile):
        async with asyncio.timeout(LIMIT_S):
            with suppress(websockets.InvalidStatus):
                async with connect(root + path):
                    pass


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:8])
async def test_headers(server: ServerThread, hostile: str) -> None:
    for name in ("Authorization", "Origin", "Cookie", "OpenAI-Beta", "Sec-WebSocket-Protocol"):
        plain = hostile.strip() or "x"
        value = {"Authorization": f"Bearer {plain}", "Origin": f"http://{plain}"}.get(name, plain)
        async with asyncio.timeout(LIMIT_S):
            with suppress(websockets.InvalidStatus, websockets.NegotiationError):
                async with connect(server.url, additional_headers={name: value}):
                    pass


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:8])
@pytest.mark.parametrize("setting", ["language", "model", "languages", "prompt", "keywords"])
async def test_realtime(server: ServerThread, setting: str, hostile: str) -> None:
    value = [hostile] if setting in ("languages", "keywords") else hostile
    update = {"type": "transcription", "audio": {"input": {"transcription": {setting: value}}}}
    root = server.http_url.replace("http", "ws", 1)
    async with asyncio.timeout(LIMIT_S), connect(f"{root}v1/realtime") as websocket:
        await websocket.recv()
        await websocket.send(json.dumps({"type": "session.update", "session": update}))
        assert json.loads(await websocket.recv())["type"] in ("error", "session.updated")


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:8])
@pytest.mark.parametrize("setting", ["language", "name", "transcript_names"])
async def test_wyoming(server: ServerThread, setting: str, hostile: str) -> None:
    address = urlsplit(server.server.wyoming_address or "")
    value = [hostile] if setting == "transcript_names" else hostile
    event = {"type": "transcribe", "data": {setting: value}}
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(json.dumps(event).encode() + b'\n{"type": "ping"}\n')
        assert json.loads(await reader.readline())["type"] in ("error", "pong")
        writer.close()


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:8])
@pytest.mark.parametrize("setting", ["language", "decoder", "context", "share_secret", "type"])
async def test_native(server: ServerThread, setting: str, hostile: str) -> None:
    async with asyncio.timeout(LIMIT_S), connect(server.url) as websocket:
        await websocket.send(json.dumps({"type": "start", setting: hostile}))
        assert json.loads(await websocket.recv())["type"] in ("error", "ready")


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:8])
async def test_uploads(server: ServerThread, hostile: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, tone(0.1), 16_000, format="WAV")
    url = f"{server.http_url}v1/audio/transcriptions"
    names = ("language", "model", "prompt", "keywords", "response_format", "stream")
    forms = [({name: hostile}, "a.wav") for name in names] + [({}, hostile + ".wav")]
    async with httpx.AsyncClient(timeout=20) as http:
        for fields, name in forms:
            async with asyncio.timeout(LIMIT_S):
                files = {"file": (name, file.getvalue())}
                answer = await http.post(url, data=fields, files=files)
                assert answer.status_code in (200, 400)
        async with asyncio.timeout(LIMIT_S):
            kind = f"multipart/form-data; boundary={hostile.strip() or 'x'}"
            answer = await http.post(url, content=b"--", headers={"Content-Type": kind})
            assert answer.status_code == 400


REPEATED = st.builds(
    lambda head, unit, count, tail: head + unit * count + tail,
    st.sampled_from(["", "en", "whisper", "nova", "gpt", "o1", "word:", "http://", "[", "token."]),
    st.text("a1_-.:/[]=, \\\u00e9", min_size=1, max_size=4),
    st.integers(1, 20_000),
    st.sampled_from(["", "!", "\n", ":", "x:1.", "\0", "\U0001f600"]),
)


@settings(deadline=None, max_examples=100)
@given(text=REPEATED)
def test_whatever_reads_text_of_strangers_is_done_at_once(text: str) -> None:
    form = {name: [text] for name in ("language", "model", "keywords", "stream", "prompt")}
    queries = [
        {name: text} for name in ("language", "model", "keywords", "endpointing", "channels")
    ]
    with hard_limit(LIMIT_S):
        for query in queries:
            with suppress(ProtocolError):
                read_settings(QueryParams({"encoding": "mulaw", **query}), OFFER)
        for name, value in form.items():
            with suppress(ProtocolError):
                read_form({name: value}, OFFER)
        with suppress(ProtocolError):
            decoder_for("model", text, OFFER)
        with suppress(ProtocolError):
            language_for("language", [text], OFFER)
        origin_is_allowed(("https://a.example",), {"origin": text, "host": text})
        host_is_known(ServerOptions(), text)
        token_is_right("x", {"authorization": text}, {"token": text}, [text, f"token64.{text}"])


def patterns() -> list[re.Pattern[str]]:
    """All that the code between the network and the recognizer has compiled."""
    found = []
    for package in (streamer.dialects, streamer.protocol, streamer.server):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            members = inspect.getmembers(importlib.import_module(info.name))
            found += [value for _, value in members if isinstance(value, re.Pattern)]
    return found


PATTERNS = patterns()


@settings(deadline=None, max_examples=100)
@given(text=REPEATED)
def test_every_pattern_takes_linear_time(text: str) -> None:
    with hard_limit(LIMIT_S):
        for pattern in PATTERNS:
            pattern.fullmatch(text)


def test_no_pattern_hides_in_a_function() -> None:
    """Where the test above would not see it."""
    assert len(PATTERNS) >= 4
    for package in (streamer.dialects, streamer.protocol, streamer.server):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            source = inspect.getsource(importlib.import_module(info.name))
            assert not re.search(r"\bre\.(match|fullmatch|search|sub|split|findall)\(", source)
