"""A client that talks and never reads: it must cost neither memory nor a connection for ever."""

from __future__ import annotations

import socket

import pytest

from streamer.app import ServerOptions
from tests.fakes import eventually
from tests.faults.raw import BINARY, TEXT, message, open_websocket, send_for_ever
from tests.serving import ServerThread


@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system cannot cut such connections"
)
def test_it_is_held_back_then_dropped_then_cut() -> None:
    options = ServerOptions(send_timeout_s=0.3, max_messages_per_s=1e9, resume_s=0.1)
    with ServerThread(options) as server:
        with open_websocket(server.url) as raw:
            start = message(TEXT, b'{"type":"start"}')
            # Every start but the first is answered by an error event; none is ever read.
            with pytest.raises(ConnectionError):
                send_for_ever(raw, start * 1000)
        eventually(lambda: server.server.connections == 0)
        eventually(lambda: server.sample("streamer_sessions_active") == 0)
        assert [recognizer.closed for recognizer in server.engine.recognizers] == [1]


@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system cannot cut such connections"
)
def test_another_dialect_drops_it_too() -> None:
    options = ServerOptions(send_timeout_s=0.3, outbox_events=4, max_messages_per_s=1e9)
    with ServerThread(options) as server:
        path = "v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
        with open_websocket(server.http_url.replace("http", "ws", 1) + path) as raw:
            # Every half second of tone makes a result; none is ever read.
            audio = message(BINARY, (b"\x00\x40" * 8_000 + b"\x00\xc0" * 8_000))
            with pytest.raises(ConnectionError):
                send_for_ever(raw, audio)
        eventually(lambda: server.server.connections == 0)
        eventually(lambda: server.sample("streamer_sessions_active") == 0)
        assert [recognizer.closed for recognizer in server.engine.recognizers] == [1]
