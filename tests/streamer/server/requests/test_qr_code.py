from __future__ import annotations

import socket
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pytest

from streamer.hosting.options import ServerOptions
from tests.serving import ServerThread

TOKEN = "s3cret"
ADDRESS = "https://192.168.1.20:8765/read?session=9Zt_abcdefghijklmnopqrst"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token=TOKEN, body_timeout_s=0.3)) as server:
        yield server


def asked(server: ServerThread, text: bytes, token: str = TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{server.http_url}v1/qr", content=text, headers=headers)


def test_a_code_is_black_on_white_and_fills_its_place(server: ServerThread) -> None:
    answer = asked(server, ADDRESS.encode())
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    picture = ElementTree.fromstring(answer.text)
    assert "viewBox" in picture.attrib
    assert "width" not in picture.attrib
    light, dark = list(picture)
    assert light.attrib["fill"] == "#fff"
    assert dark.attrib["stroke"] == "#000"
    assert asked(server, ADDRESS.encode()).text == answer.text
    assert asked(server, ADDRESS[:-1].encode()).text != answer.text


def test_only_who_may_speak_gets_one(server: ServerThread) -> None:
    assert asked(server, ADDRESS.encode(), "wrong").status_code == 401


@pytest.mark.parametrize(
    ("text", "status"), [(b"", 413), (b"x" * 500, 200), (b"x" * 501, 413), (b"\xff", 400)]
)
def test_texts_are_short_and_utf8(server: ServerThread, text: bytes, status: int) -> None:
    assert asked(server, text).status_code == status


def test_a_text_without_length_and_one_that_does_not_come(server: ServerThread) -> None:
    head = f"POST /v1/qr?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n"
    for more, status in (
        ("Transfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 413"),
        ("Content-Length: 9\r\n\r\nhalf", b"HTTP/1.1 408"),
    ):
        port = httpx.URL(server.http_url).port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            peer.sendall(f"{head}{more}".encode())
            assert peer.recv(100).startswith(status)
