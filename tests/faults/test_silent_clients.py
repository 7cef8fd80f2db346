"""Clients that connect and say nothing, or half of something: nobody else may wait for them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from websockets.sync.client import connect

from streamer.app import ServerOptions
from streamer.protocol.frames import encode_frame
from streamer.protocol.messages import Encoding
from tests.fakes import eventually, tone
from tests.faults.raw import handshake, open_tcp, read_to_end
from tests.serving import ServerThread

PATIENCE_S = 1.0
BODY = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    options = ServerOptions(
        max_connections=60,
        header_timeout_s=PATIENCE_S,
        body_timeout_s=PATIENCE_S,
        first_message_timeout_s=PATIENCE_S,
        max_sessions=2,
    )
    with ServerThread(options) as server:
        yield server


def speaks(server: ServerThread) -> bool:
    with connect(server.url, open_timeout=5) as websocket:
        websocket.send('{"type":"start"}')
        return bool(json.loads(websocket.recv(timeout=5))["type"] == "ready")


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /v1/stream HTTP/1.1\r\nUpgrade: w"],
    ids=["nothing", "half a line", "half a header", "half a handshake"],
)
def test_newcomers_are_served_beside_more_silent_sockets_than_there_is_room_for(
    server: ServerThread, said: bytes
) -> None:
    with ExitStack() as silent:
        sockets = [silent.enter_context(open_tcp(server.http_url)) for _ in range(150)]
        for raw in sockets[-20:]:
            raw.sendall(said)
        assert speaks(server)
        assert httpx.get(server.http_url + "healthz", timeout=5).text == "ok\n"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"", b"408"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"408"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),  # and no other request
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", b"200"),
        (BODY, b"408"),
    ],
    ids=["nothing", "half a header", "one request", "half a body nobody reads", "half an upload"],
)
def test_a_connection_that_asks_for_nothing_is_closed(
    server: ServerThread, said: bytes, answer: bytes
) -> None:
    with open_tcp(server.http_url) as raw:
        raw.sendall(said)
        assert read_to_end(raw).startswith(b"HTTP/1.1 " + answer)
    assert server.server.places.taken == 0


def test_a_websocket_that_says_nothing_is_closed(server: ServerThread) -> None:
    with open_tcp(server.url) as raw:
        raw.sendall(handshake(server.url))
        assert b"idle_timeout" in read_to_end(raw)


def test_unfinished_uploads_hold_their_places_and_no_more(server: ServerThread) -> None:
    with open_tcp(server.http_url) as first, open_tcp(server.http_url) as second:
        for raw in (first, second):
            raw.sendall(BODY)
        eventually(lambda: server.server.places.taken == 2)
        form = {"file": ("a.wav", b"", "audio/wav")}
        third = httpx.post(server.http_url + "v1/audio/transcriptions", files=form)
        assert third.status_code == 429
        assert "all 2 sessions are taken" in third.json()["error"]["message"]
    eventually(lambda: server.server.places.taken == 0)
    assert speaks(server)


def test_an_upload_that_dribbles_is_given_up() -> None:
    with ServerThread(ServerOptions(body_timeout_s=0.5)) as server:
        with open_tcp(server.http_url) as raw:
            raw.sendall(BODY)
            with pytest.raises(ConnectionError):
                _dribble(raw)
        eventually(lambda: server.server.places.taken == 0)


def _dribble(raw: socket.socket) -> None:
    raw.settimeout(0.1)
    for _ in range(200):
        raw.sendall(b"x")
        try:
            if raw.recv(65_536) == b"":
                raise ConnectionError
        except TimeoutError:
            continue
    raise AssertionError("it was let go on")


def test_too_many_sockets_that_all_speak_are_refused() -> None:
    with ServerThread(ServerOptions(max_connections=4, max_sessions=8)) as server:
        with ExitStack() as speaking:
            for _ in range(2):
                websocket = speaking.enter_context(connect(server.url))
                websocket.send('{"type":"start"}')
                assert json.loads(websocket.recv(timeout=5))["type"] == "ready"
            with open_tcp(server.http_url) as raw:  # this address has half of all
                assert b"503" in read_to_end(raw)
        eventually(lambda: server.server.connections == 0)
        assert speaks(server)


def test_audio_of_a_session_goes_on_beside_them(server: ServerThread) -> None:
    with connect(server.url) as websocket, ExitStack() as silent:
        websocket.send('{"type":"start"}')
        for _ in range(100):
            silent.enter_context(open_tcp(server.http_url))
        websocket.send(encode_frame(0, 0, 0.0, tone(1.0), Encoding.PCM_S16LE))
        websocket.send('{"type":"stop"}')
        events = [json.loads(event) for event in websocket]
    assert events[-1]["words"] == 2
