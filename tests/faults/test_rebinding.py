"""A page whose name was made to point at this machine (DNS rebinding) gets nowhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from streamer.app import ServerOptions
from tests.serving import ServerThread

EVIL = "evil.example"
LISTEN = "v1/listen?encoding=linear16&sample_rate=16000"
SOCKETS = ["v1/stream", "v1/follow?session=x", LISTEN, "v1/realtime"]
PAGES = ["", "overlay", "read", "static/app.js", "metrics", "healthz", "v1/config", "v1/nowhere"]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def socket_as(server: ServerThread, path: str, host: str) -> None:
    """From a page of that host, as a browser asks whom the name led here."""
    port = httpx.URL(server.http_url).port
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as here,
        connect(f"ws://{host}:{port}/{path}", sock=here, origin=Origin(f"http://{host}:{port}")),
    ):
        pass


@pytest.mark.parametrize("path", SOCKETS)
def test_websockets_are_refused(server: ServerThread, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket_as(server, path, EVIL)
    assert refused.value.response.status_code == 421
    assert b"--allow-host" in (refused.value.response.body or b"")
    socket_as(server, path, "localhost")


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_refused(server: ServerThread, path: str) -> None:
    answer = httpx.get(f"{server.http_url}{path}", headers={"Host": f"{EVIL}:8765"})
    assert answer.status_code == 421
    assert "--allow-host" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_uploads_are_refused(server: ServerThread) -> None:
    url = f"{server.http_url}v1/audio/transcriptions"
    headers = {"Host": EVIL, "Origin": f"http://{EVIL}"}
    assert httpx.post(url, headers=headers, files={"file": b""}).status_code == 421


def test_a_name_that_was_allowed_is_served() -> None:
    with ServerThread(ServerOptions(allow_host=("captions.example",))) as server:
        socket_as(server, "v1/stream", "captions.example")
        socket_as(server, "v1/stream", "localhost")
        with pytest.raises(InvalidStatus):
            socket_as(server, "v1/stream", EVIL)
