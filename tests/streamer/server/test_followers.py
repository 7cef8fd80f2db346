"""Followers over the network: how many, and which session they have."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import ClientConnection, connect

from streamer.hosting.options import ServerOptions
from tests.serving import ServerThread


def spoken(server: ServerThread, opened: ExitStack) -> str:
    """The follow id of a session that is open from now on."""
    websocket = opened.enter_context(connect(server.url))
    websocket.send('{"type":"start"}')
    return str(first_event(websocket)["follow_id"])


def followed(server: ServerThread, opened: ExitStack, follow_id: str) -> dict[str, Any]:
    """The first that a follower hears, who stays."""
    address = server.url.replace("/stream", f"/follow?session={follow_id}")
    return first_event(opened.enter_context(connect(address)))


def first_event(websocket: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(websocket.recv(timeout=20))
    return event


def test_followers_are_limited_for_each_session_and_in_all() -> None:
    options = ServerOptions(max_followers=3, max_followers_per_session=2)
    with ServerThread(options) as server, ExitStack() as opened:
        one, other = spoken(server, opened), spoken(server, opened)
        for _ in range(2):
            assert followed(server, opened, one)["type"] == "following"
        refusal = followed(server, opened, one)
        assert refusal["code"] == "too_many_followers"
        assert refusal["message"].startswith("2 clients follow this session already")
        assert followed(server, opened, other)["type"] == "following"
        refusal = followed(server, opened, other)
        assert refusal["code"] == "too_many_followers"
        assert refusal["message"].startswith("3 clients follow this server's sessions already")


def test_a_session_is_known_again_by_its_key() -> None:
    with ServerThread() as server, ExitStack() as opened:
        one, other = spoken(server, opened), spoken(server, opened)
        keys = [followed(server, opened, each)["session_key"] for each in (one, other, one)]
    assert keys[0] == keys[2] != keys[1]
    assert len(keys[0]) == 12
