"""A client that talks and never reads: it must cost neither memory nor a connection for ever."""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

import pytest

from streamer.app import ServerOptions
from tests.fakes import eventually
from tests.serving import ServerThread

TEXT = 1
BINARY = 2


def message(opcode: int, payload: bytes) -> bytes:
    """A masked websocket message; a mask of zeros leaves the payload as it is."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


def open_websocket(url: str) -> socket.socket:
    address = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(30)
    raw.connect((address.hostname, address.port))
    raw.sendall(
        f"GET {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert raw.recv(12) == b"HTTP/1.1 101"
    return raw


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


def send_for_ever(raw: socket.socket, data: bytes) -> None:
    while True:
        raw.sendall(data)
