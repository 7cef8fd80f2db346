"""Containers over the native protocol, on a real network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from streamer.app import ServerOptions
from streamer.protocol.frames import encode_container_frame
from tests.fakes import eventually, tone
from tests.media import encoded
from tests.serving import ServerThread
from tests.sockets import rest

START = json.dumps({"type": "start", "encoding": "container"})
STOP = '{"type":"stop"}'
RECORDED = encoded(tone(3.0), "chromium.webm")


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(heartbeat_s=0.05)) as running:
        yield running
        eventually(lambda: running.sample("streamer_sessions_active") == 0)


def send(websocket: ClientConnection, data: bytes, offset: int = 0, n_bytes: int = 997) -> None:
    for seq, at in enumerate(range(0, len(data), n_bytes)):
        piece = data[at : at + n_bytes]
        websocket.send(encode_container_frame(seq, offset + at, piece))


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.parametrize("name", ["chromium.webm", "safari.mp4", "talk.wav", "talk.mp3"])
def test_it_is_captioned(server: ServerThread, name: str) -> None:
    with connect(server.url) as websocket:
        websocket.send(START)
        send(websocket, encoded(tone(1.2), name))
        websocket.send(STOP)
        events = rest(websocket)
    assert of(events, "segment")[0]["text"] == "w0 w8000 w16000"
    assert websocket.close_code == 1000


def test_captions_come_while_it_is_recorded(server: ServerThread) -> None:
    with connect(server.url) as websocket:
        websocket.send(START)
        send(websocket, RECORDED[: len(RECORDED) // 2])
        while json.loads(websocket.recv(timeout=30))["type"] != "words":
            pass


def test_a_cut_loses_nothing(server: ServerThread) -> None:
    half = len(RECORDED) // 2
    with connect(server.url) as websocket:
        websocket.send(START)
        ready = json.loads(websocket.recv())
        send(websocket, RECORDED[:half])
        acknowledged = 0
        while acknowledged < half:
            event = json.loads(websocket.recv(timeout=30))
            acknowledged = event.get("acknowledged_offset", acknowledged)
        websocket.socket.close()
    with connect(server.url) as websocket:
        resume = {"session_id": ready["session_id"], "resume_token": ready["resume_token"]}
        websocket.send(json.dumps({"type": "resume", **resume}))
        offset = json.loads(websocket.recv())["acknowledged_offset"]
        assert offset == half
        send(websocket, RECORDED[offset:], offset)
        websocket.send(STOP)
        events = rest(websocket)
    assert of(events, "bye")[0]["words"] == 6
    assert of(events, "bye")[0]["lost_samples"] == 0


@pytest.mark.parametrize(
    ("frames", "code", "says"),
    [
        ([encode_container_frame(0, 0, b"no container " * 9_000)], "bad_media", "is not audio"),
        ([encode_container_frame(0, 5, RECORDED)], "bad_frame", "bytes 0 to 5 .* are missing"),
        ([encode_container_frame(0, 0, b"")], "bad_frame", "holds no bytes"),
    ],
)
def test_what_is_wrong_is_told(
    server: ServerThread, frames: list[bytes], code: str, says: str
) -> None:
    with connect(server.url) as websocket:
        websocket.send(START)
        for frame in frames:
            websocket.send(frame)
        events = rest(websocket)
    (error,) = of(events, "error")
    assert error["code"] == code
    assert re.search(says, error["message"])
    assert of(events, "bye")[0]["reason"] == code
    assert websocket.close_code == 4400
