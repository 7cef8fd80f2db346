"""Requests whose first line or headers are long, or no websocket handshake at all: every one is
answered, with a sentence, and the server goes on."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote, urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from streamer.app import ServerOptions
from streamer.server.http_protocol import MAX_HEAD_BYTES
from tests.faults.raw import held_sockets, open_tcp, read_to_end
from tests.serving import ServerThread

LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
HANDSHAKE = (
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PLAIN = "Host: localhost\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def answer(server: ServerThread, line: str, headers: str, pieces: int = 1) -> tuple[int, str]:
    """Status and body; the request is sent in so many pieces, and read only then."""
    request = f"GET {line} HTTP/1.1\r\n{headers}\r\n".encode()
    address = urlsplit(server.http_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        step = -(-len(request) // pieces)
        for at in range(0, len(request), step):
            client.sendall(request[at : at + step])
            time.sleep(0.01)
        told = b""
        while b"\r\n\r\n" not in told or not told.startswith(b"HTTP/1.1 101"):
            data = client.recv(65_536)
            if not data:
                break
            told += data
    head, _, body = told.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize(
    ("term", "count"),
    [("é" * 20, 70), ("語" * 64, 100)],
    ids=["seventy accented terms", "as many and as long as there may be"],
)
def test_all_the_key_terms_that_may_be_fit(
    server: ServerThread, term: str, count: int, pieces: int
) -> None:
    line = LISTEN + f"&keyterm={quote(term)}" * count
    assert 8_192 < len(line) < MAX_HEAD_BYTES
    status, _ = answer(server, line, HANDSHAKE, pieces)
    assert status == 101


@pytest.mark.parametrize("pieces", [1, 2, 50])
@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_the_same_however_the_bytes_come(
    server: ServerThread, pieces: int, more: int
) -> None:
    rest = len("GET /healthz?x= HTTP/1.1\r\n\r\n") + len(PLAIN) + len("Connection: close\r\n")
    fill = MAX_HEAD_BYTES - rest
    line = "/healthz?x=" + "a" * (fill + more)
    status, _ = answer(server, line, f"{PLAIN}Connection: close\r\n", pieces)
    assert status == (431 if more else 200)


def test_the_limit_holds_for_the_second_request_in_a_read_too(server: ServerThread) -> None:
    first = f"/healthz HTTP/1.1\r\n{PLAIN}\r\nGET /healthz?x={'a' * 70_000}"
    address = urlsplit(server.http_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(f"GET {first} HTTP/1.1\r\n{PLAIN}\r\n".encode())
        told = read_to_end(client)
    assert told.startswith(b"HTTP/1.1 200")
    assert told.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 414" in told


def test_who_is_told_of_the_limit_counts_as_a_connection_still() -> None:
    with ServerThread(ServerOptions(max_connections=4)) as server, ExitStack() as told:
        for _ in range(5):
            client = told.enter_context(open_tcp(server.http_url))
            client.sendall(b"GET /" + b"a" * 70_000)
            assert b"414" in client.recv(1_024)
        assert held_sockets(server.http_url) <= 2  # this address has half of all


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize("length", [66_000, 100_000, 300_000, 3_000_000])
def test_a_longer_address_is_refused_with_the_reason(
    server: ServerThread, length: int, pieces: int
) -> None:
    status, body = answer(server, LISTEN + "&tag=" + "a" * length, HANDSHAKE, pieces)
    assert status == 414
    assert "65536 bytes; send fewer or shorter parameters" in body


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize(
    "headers",
    [
        "Cookie: " + "a" * 100_000 + "\r\n",
        "Cookie: " + "a" * 3_000_000 + "\r\n",
        "".join(f"X-{i}: a\r\n" for i in range(200)),
        "".join(f"X-{i}: a\r\n" for i in range(9_000)),
    ],
    ids=["long", "very long", "many", "very many"],
)
def test_longer_headers_are_refused_with_the_reason(
    server: ServerThread, headers: str, pieces: int
) -> None:
    status, body = answer(server, LISTEN, HANDSHAKE + headers, pieces)
    assert status == 431
    assert "send fewer" in body


@pytest.mark.parametrize("header", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_handshake_with_a_body_is_answered(server: ServerThread, header: str) -> None:
    status, body = answer(server, LISTEN, f"{HANDSHAKE}{header}\r\n")
    assert status == 400
    assert "handshake" in body


def test_pages_have_the_same_limit(server: ServerThread) -> None:
    assert answer(server, "/healthz?x=" + "a" * 300_000, PLAIN)[0] == 414
    assert answer(server, "/healthz", f"{PLAIN}Cookie: {'a' * 300_000}\r\n")[0] == 431
    assert answer(server, "/healthz", f"{PLAIN}Connection: close\r\n") == (200, "ok\n")


def test_a_client_library_gets_to_know_it(server: ServerThread) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{server.url}?token={'a' * 300_000}")
    assert refused.value.response.status_code == 414
