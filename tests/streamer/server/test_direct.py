"""What may be done where clients come directly: go on, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from streamer.app import ServerOptions
from tests.serving import ServerThread

DIRECT = "ws://10.0.0.7:8801/v1/stream"
FOREIGN = {"origin": "https://captions.example"}
START = {"type": "start"}
TOKEN = {"authorization": "Bearer s3cret"}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """It has the other way on the same port."""
    running = ServerThread(ServerOptions(token="s3cret", direct_url=DIRECT, max_sessions=20))
    directly = WebSocketRoute("/direct", running.server.stream_directly)
    running._app.router.routes.insert(0, directly)
    with running:
        yield running


def opened(server: ServerThread, path: str, headers: dict[str, str]) -> ClientConnection:
    return connect(server.url.replace("/v1/stream", path), additional_headers=headers)


def say(websocket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    """Gives the first answer."""
    with suppress(ConnectionClosed):  # who shows no token may be closed before
        websocket.send(json.dumps(message))
    told: dict[str, Any] = json.loads(websocket.recv(10))
    return told


def answer(
    server: ServerThread, path: str, headers: dict[str, str], message: dict[str, Any]
) -> dict[str, Any]:
    with opened(server, path, headers) as websocket:
        return say(websocket, message)


def resume(ready: dict[str, Any], **changed: str) -> dict[str, Any]:
    told = {name: ready[name] for name in ("session_id", "resume_token")}
    return {"type": "resume", **told, **changed}


def test_a_session_goes_on_whatever_page_it_is_of(server: ServerThread) -> None:
    with opened(server, "/v1/stream", TOKEN) as websocket:
        ready = say(websocket, START)
        assert ready["direct_url"] == DIRECT
        again = answer(server, "/direct", TOKEN | FOREIGN, resume(ready))
        assert (again["type"], again["resumed"]) == ("ready", True)
        assert again["session_id"] == ready["session_id"]
        assert again["direct_url"] is None, "it is there"
        assert json.loads(websocket.recv(10))["code"] == "taken_over"


def test_nothing_begins_there(server: ServerThread) -> None:
    told = answer(server, "/direct", TOKEN, START)
    assert (told["type"], told["code"]) == ("error", "unauthorized")
    assert answer(server, "/v1/stream", TOKEN, START)["type"] == "ready"


def test_both_tokens_are_wanted(server: ServerThread) -> None:
    with opened(server, "/v1/stream", TOKEN) as websocket:
        ready = say(websocket, START)
        told = answer(server, "/direct", FOREIGN, resume(ready))
        assert (told["type"], told["code"]) == ("error", "unauthorized")
        told = answer(server, "/direct", TOKEN, resume(ready, resume_token="guessed"))
        assert (told["type"], told["code"]) == ("error", "session_expired")


def test_elsewhere_a_page_from_elsewhere_may_still_not_resume(server: ServerThread) -> None:
    with opened(server, "/v1/stream", TOKEN) as websocket:
        told = answer(server, "/v1/stream", TOKEN | FOREIGN, resume(say(websocket, START)))
        assert (told["type"], told["code"]) == ("error", "unauthorized")


def test_the_page_may_go_there(server: ServerThread) -> None:
    policy = httpx.get(f"{server.http_url}health").headers["content-security-policy"]
    assert "connect-src 'self' ws: wss:;" in policy
    with ServerThread() as alone:
        policy = httpx.get(f"{alone.http_url}health").headers["content-security-policy"]
    assert "connect-src 'self';" in policy
