"""Peers that send what costs them little and the server much."""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
from collections.abc import Iterator

import psutil
import pytest

from streamer.app import ServerOptions
from tests.fakes import eventually
from tests.faults.raw import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_code,
    message,
    open_websocket,
    read_to_end,
)
from tests.serving import ServerThread

START = message(TEXT, b'{"type":"start"}')


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(send_timeout_s=2.0)) as server:
        yield server


def test_a_flood_of_pings_that_nobody_reads_the_pongs_of(server: ServerThread) -> None:
    before = psutil.Process(os.getpid()).memory_info().rss
    with open_websocket(server.url) as raw:
        raw.sendall(START)
        with pytest.raises((ConnectionError, TimeoutError)):
            _send_often(raw, message(PING, b"p" * 125) * 100)  # 25 MB of pongs
    eventually(lambda: server.server.connections == 0)
    assert psutil.Process(os.getpid()).memory_info().rss - before < 20_000_000


def _send_often(raw: socket.socket, data: bytes) -> None:
    for _ in range(2_000):
        raw.sendall(data)


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_too_many_control_frames_end_the_connection(server: ServerThread, opcode: int) -> None:
    with open_websocket(server.url) as raw:
        raw.sendall(START + message(opcode, b"") * 200)
        assert close_code(read_to_end(raw)) == 1008


def test_pings_of_a_well_behaved_client_are_answered(server: ServerThread) -> None:
    with open_websocket(server.url) as raw:
        raw.sendall(START)
        for number in range(20):
            payload = b"ping%03d" % number
            raw.sendall(message(PING, payload))
            read = b""
            while payload not in read:
                read += raw.recv(4096)


def test_a_message_of_endlessly_many_empty_fragments(server: ServerThread) -> None:
    with open_websocket(server.url) as raw:
        raw.sendall(message(BINARY, b"", fin=False))
        raw.sendall(message(CONTINUATION, b"", fin=False) * 2_000)
        assert close_code(read_to_end(raw)) == 1009


@pytest.mark.parametrize(("size", "code"), [(4_096, 4400), (4_097, 1009), (2**40, 1009)])
def test_a_follower_can_make_the_server_hold_no_message(
    server: ServerThread, size: int, code: int
) -> None:
    with open_websocket(server.url) as speaking:
        speaking.sendall(START)
        told = b""
        while b"}" not in told:
            told += speaking.recv(4_096)
        (follow_id,) = re.findall(rb'"follow_id":"([^"]+)"', told)
        url = server.url.replace("/stream", f"/follow?session={follow_id.decode()}")
        with open_websocket(url) as raw:
            raw.sendall(struct.pack("!BBQ", 0x80 | BINARY, 0x80 | 127, size))
            raw.sendall(bytes(4 + min(size, 5_000)))  # the mask, and the beginning
            assert close_code(read_to_end(raw)) == code


def test_text_that_is_no_utf_8(server: ServerThread, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), open_websocket(server.url) as raw:
        raw.sendall(message(TEXT, b'{"type":"\xff\xfe"}'))
        assert close_code(read_to_end(raw)) == 1007
    assert not [r for r in caplog.records if r.exc_info or r.levelno >= logging.WARNING]
