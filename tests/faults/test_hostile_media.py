"""Media as a stranger might send them: whatever they do to a decoder, the server stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streamer.app import ServerOptions
from tests.conversations import log_records, said
from tests.fakes import eventually, tone
from tests.media import KINDS, encoded
from tests.serving import ServerThread

N_SPOILT = 2
SOUND = tone(1.0)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(max_sessions=3)) as running:
        yield running
        eventually(lambda: running.server.places.taken == 0)
        assert all(recognizer.closed == 1 for recognizer in running.engine.recognizers)


def spoilt(name: str) -> Iterator[bytes]:
    """Bits flipped, a stretch exchanged, and the end cut off; more at the beginning, where what
    is said of the rest stands."""
    random = np.random.default_rng(len(name))
    sound = encoded(SOUND, name)
    for _ in range(N_SPOILT):
        data = bytearray(sound)
        for place in random.integers(0, min(len(data), 2_000), 12):
            data[place] = int(random.integers(256))
        for place in random.integers(0, len(data), 40):
            data[place] ^= 1 << int(random.integers(8))
        at = int(random.integers(len(data)))
        data[at : at + 200] = random.bytes(200)
        yield bytes(data[: int(random.integers(len(data) // 2, len(data)))])


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_spoilt_media(server: ServerThread, name: str) -> None:
    """Live and as a file: an answer in order, and not a word in the log."""
    with log_records() as records:
        for data in spoilt(name):
            with connect(f"{server.url.removesuffix('stream')}listen") as websocket:
                with suppress(ConnectionClosed):
                    websocket.send(data)
                    websocket.send('{"type":"CloseStream"}')
                    last = [json.loads(text) for text in websocket][-1]
                    assert last["type"] in ("Metadata", "Error")
                assert websocket.close_code in (1000, 1008)
            url = f"{server.http_url}v1/audio/transcriptions"
            answer = httpx.post(url, files={"file": (name, data)}, timeout=60)
            assert answer.status_code in (200, 400)
            assert "text" in answer.json() or name in answer.json()["error"]["message"]
    lines = [said(record) for record in records]
    assert not [line for line in lines if "libav" in line or "Traceback" in line]
    assert httpx.get(f"{server.http_url}healthz").status_code == 200


def test_a_playlist_makes_the_server_fetch_nothing(server: ServerThread) -> None:
    asked = []
    with ServerThread() as other:
        url = other.http_url
        texts = (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}talk.ts\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{url}talk.wav'\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        )
        for text in texts:
            files = {"file": ("list.m3u8", text.encode())}
            address = f"{server.http_url}v1/audio/transcriptions"
            answer = httpx.post(address, files=files, timeout=30)
            assert answer.status_code == 400
            message = answer.json()["error"]["message"]
            assert message == "file: list.m3u8: is not audio that can be read"
            asked.append(other.server.connections)
    assert not any(asked)


def test_streams_that_never_say_what_they_are_hold_their_own_place_alone(
    server: ServerThread,
) -> None:
    """Half a header each; others are served meanwhile."""
    listen = f"{server.url.removesuffix('stream')}listen"
    with connect(listen) as first, connect(listen) as second:
        for websocket in (first, second):
            websocket.send(encoded(SOUND, "chromium.webm")[:20])
        with connect(listen) as third:
            third.send(encoded(SOUND, "chromium.webm"))
            third.send('{"type":"CloseStream"}')
            assert [json.loads(text) for text in third][-1]["type"] == "Metadata"
