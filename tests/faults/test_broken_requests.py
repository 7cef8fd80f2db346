"""Requests and frames that are broken somewhere, alone and behind each other: each gets one answer
at most, and the log gets no traceback."""

from __future__ import annotations

import logging
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest

from streamer.app import ServerOptions
from tests.conversations import log_records, said
from tests.fakes import eventually
from tests.faults.raw import (
    BINARY,
    PING,
    TEXT,
    handshake,
    held_sockets,
    message,
    open_tcp,
    open_websocket,
    read_to_end,
)
from tests.serving import ServerThread

CLOSE: Final = 8
HOST: Final = b"Host: localhost\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
UPLOAD: Final = b"POST /v1/audio/transcriptions"
FORM: Final = b"Content-Type: multipart/form-data; boundary=b\r\n"


@pytest.fixture(scope="module")
def running() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(max_sessions=50, resume_s=0.1)) as server:
        yield server


@pytest.fixture
def server(running: ServerThread) -> Iterator[ServerThread]:
    """Whose log gets warnings at most."""
    with log_records() as records:
        yield running
        eventually(lambda: held_sockets(running.http_url) == 0)
        eventually(lambda: running.server.places.taken == 0)
    told = [record for record in records if record.exc_info or record.levelno > logging.WARNING]
    assert [said(record) for record in told] == []


def head(line: bytes, *headers: bytes) -> bytes:
    return line + b" HTTP/1.1\r\n" + HOST + b"".join(headers) + b"\r\n"


def answers(server: ServerThread, *parts: bytes) -> list[bytes]:
    """The status of each, to parts that are sent one after the other's first answer."""
    told = b""
    with open_tcp(server.http_url) as raw:
        for part in parts:
            raw.sendall(part)
            told += raw.recv(65_536)
        told += read_to_end(raw)
    return [one[:3] for one in told.split(b"HTTP/1.1 ")[1:]]


def test_no_request_at_all(server: ServerThread) -> None:
    assert answers(server, b"\x00\xff\r\n\r\n") == [b"400"]


@pytest.mark.parametrize("line", [UPLOAD, b"GET /healthz", b"HEAD /healthz"])
def test_a_body_that_breaks_behind_its_answer(server: ServerThread, line: bytes) -> None:
    (status,) = answers(server, head(line, CHUNKED), b"no length\r\n")
    assert status == (b"400" if line == UPLOAD else b"200")  # an upload that is no form


@pytest.mark.parametrize("headers", [(CHUNKED,), (CHUNKED, FORM)], ids=["no form", "form"])
@pytest.mark.parametrize("line", [UPLOAD, b"GET /healthz", b"HEAD /healthz"])
def test_a_body_that_breaks_before_its_answer(
    server: ServerThread, line: bytes, headers: tuple[bytes, ...]
) -> None:
    assert answers(server, head(line, *headers) + b"no length\r\n") == [b"400"]


def test_a_form_that_breaks_while_it_is_read(server: ServerThread) -> None:
    with open_tcp(server.http_url) as raw:
        raw.sendall(head(UPLOAD, CHUNKED, FORM) + b"5\r\n--b\r\n\r\n")
        eventually(lambda: server.server.places.taken == 1)
        raw.sendall(b"no length\r\n")
        assert read_to_end(raw).count(b"HTTP/1.1 400") == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (message(TEXT, b"\xff"), 1000),
        (message(PING, b"") * 200, 1000),
        (message(0, b""), 1002),
        (message(3, b""), 1002),
    ],
    ids=["no UTF-8", "pings", "no beginning", "no such kind"],
)
def test_a_goodbye_in_the_same_read_as_what_is_wrong(
    server: ServerThread, sent: bytes, code: int
) -> None:
    with open_websocket(server.url) as raw:
        raw.sendall(sent + message(CLOSE, struct.pack("!H", 1000)))
        assert read_to_end(raw).endswith(struct.pack("!BBH", 0x88, 2, code)) or code == 1002


def piece(rng: random.Random) -> bytes:
    """Of a connection that may have begun as a request."""
    lines = [UPLOAD, b"GET /healthz", b"HEAD /", b"OPTIONS *", b"CONNECT a:1", b"GET /v1/stream"]
    headers = [
        CHUNKED,
        FORM,
        b"Content-Length: 5\r\n",
        b"Content-Length: 6\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        b"Host: [::1\r\n",
        b"Origin: http://[::1\r\n",
        b"X: \xff\r\n",
    ]
    bodies = [b"5\r\nabcde\r\n", b"0\r\n\r\n", b"zz\r\n", b"hello", b"\r\n", b"a" * 70_000]
    return rng.choice(
        [
            head(rng.choice(lines), *rng.sample(headers, rng.randint(0, 4))),
            rng.choice(bodies),
            rng.randbytes(rng.randint(1, 300)),
        ]
    )


def frame(rng: random.Random) -> bytes:
    start = b'{"type":"start"}'
    payload = rng.choice([b"", start, start, rng.randbytes(rng.randint(1, 300))])
    opcode = rng.choice([0, TEXT, TEXT, BINARY, 3, CLOSE, PING, 10])
    whole = message(opcode, payload, fin=rng.random() < 0.8)
    return rng.choice([whole, whole, whole, whole[: rng.randint(1, len(whole))]])


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes(server: ServerThread, seed: int) -> None:
    rng = random.Random(seed)
    paths = ["/v1/stream", "/v1/realtime", "/v1/follow", "/v1/listen"]
    for _ in range(400):
        if rng.random() < 0.5:
            parts = [piece(rng) for _ in range(rng.randint(1, 6))]
        else:
            url = server.url.replace("/v1/stream", rng.choice(paths))
            parts = [handshake(url), *(frame(rng) for _ in range(rng.randint(0, 6)))]
        if rng.random() < 0.5:
            parts = [b"".join(parts)]
        with open_tcp(server.http_url) as raw:
            raw.settimeout(0.02)
            with suppress(OSError):
                for part in parts:
                    raw.sendall(part)
                if rng.random() < 0.5:
                    raw.recv(1)
            if rng.random() < 0.5:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
