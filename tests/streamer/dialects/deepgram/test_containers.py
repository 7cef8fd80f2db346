"""Deepgram's protocol without an `encoding`: what browsers record is decoded as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fakes import eventually, tone
from tests.media import INDEX_LAST, KINDS, encoded
from tests.serving import ServerThread
from tests.sockets import rest

CLOSE = '{"type":"CloseStream"}'


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running
        eventually(lambda: running.sample("streamer_sessions_active") == 0)


def listen(server: ServerThread, query: str = "") -> ClientConnection:
    return connect(f"{server.url.removesuffix('stream')}listen?{query}")


def final_text(messages: list[dict[str, Any]]) -> str:
    finals = [m for m in messages if m["type"] == "Results" and m["is_final"]]
    return " ".join(m["channel"]["alternatives"][0]["transcript"] for m in finals).strip()


@pytest.mark.parametrize("name", [name for name in KINDS if name not in INDEX_LAST])
def test_every_kind_that_can_come_live(server: ServerThread, name: str) -> None:
    with listen(server) as websocket:
        data = encoded(tone(1.2), name)
        for at in range(0, len(data), 1_500):
            websocket.send(data[at : at + 1_500])
        websocket.send(CLOSE)
        messages = rest(websocket)
    assert final_text(messages).startswith("w0 w8000 w16000")
    assert messages[-1]["type"] == "Metadata"
    assert messages[-1]["duration"] == pytest.approx(1.2, abs=0.08)
    assert websocket.close_code == 1000


@pytest.mark.parametrize("query", ["encoding=flac", "encoding=flac&sample_rate=16000"])
def test_encodings_that_tell_their_rate(server: ServerThread, query: str) -> None:
    with listen(server, query) as websocket:
        websocket.send(encoded(tone(1.2), "talk.flac"))
        websocket.send(CLOSE)
        assert final_text(rest(websocket)) == "w0 w8000 w16000"


def test_finalize_answers_for_all_that_was_sent(server: ServerThread) -> None:
    with listen(server) as websocket:
        websocket.send(encoded(tone(1.2), "chromium.webm"))
        websocket.send('{"type":"Finalize"}')
        while True:
            message = json.loads(websocket.recv(timeout=30))
            if message.get("from_finalize"):
                break
        assert message["start"] + message["duration"] == pytest.approx(1.2, abs=0.05)
        websocket.send(CLOSE)
        rest(websocket)


def test_what_is_no_container_is_told_as_deepgram_tells_it(server: ServerThread) -> None:
    with listen(server) as websocket:
        websocket.send((tone(3.0) * 32_767).astype("<i2").tobytes())
        *_, error = rest(websocket)
    assert (error["type"], error["variant"]) == ("Error", "DATA-0000")
    assert "is not audio that can be read" in error["description"]
    assert "name their encoding and rate" in error["description"]
    assert websocket.close_code == 1008


def test_without_pyav_it_is_refused_before_there_is_a_websocket(
    server: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.session.container_intake.can_decode", lambda: False)
    with pytest.raises(InvalidStatus) as caught:
        listen(server)
    assert caught.value.response.status_code == 400
    assert "install the extra `media`" in caught.value.response.headers["dg-error"]
