"""The Wyoming port is guarded as the other is: who says nothing makes room, who sends half an event
or reads nothing is cut, and no size that a peer names is believed."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from streamer.app import ServerOptions
from tests.fakes import eventually
from tests.faults.raw import held_sockets, open_tcp, read_to_end, send_for_ever
from tests.serving import ServerThread

PATIENCE_S = 0.5
SHAPE = {"rate": 16_000, "width": 2, "channels": 1}


def event(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    header = {"type": kind, "data": data or {}, "payload_length": len(payload)}
    return json.dumps(header).encode() + b"\n" + payload


CHUNK = event("audio-chunk", SHAPE, bytes(32_000))


def address(server: ServerThread) -> str:
    return server.server.wyoming_address or ""


def answer(raw: socket.socket) -> dict[str, Any]:
    """The next event."""
    line = b""
    while not line.endswith(b"\n"):
        read = raw.recv(1)
        assert read, f"closed after {line!r}"
        line += read
    told: dict[str, Any] = json.loads(line)
    return told


def is_served(server: ServerThread) -> bool:
    with open_tcp(address(server)) as raw:
        raw.sendall(event("describe"))
        return bool(answer(raw)["type"] == "info")


def last_event(told: bytes) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(told.splitlines()[-1])
    return event


@pytest.fixture
def small() -> Iterator[ServerThread]:
    """Room for eight sockets, four of one address."""
    with ServerThread(ServerOptions(wyoming_port=0, max_connections=8)) as running:
        yield running


@pytest.fixture
def hasty() -> Iterator[ServerThread]:
    options = ServerOptions(
        wyoming_port=0, first_message_timeout_s=PATIENCE_S, idle_timeout_s=PATIENCE_S
    )
    with ServerThread(options) as running:
        yield running


@pytest.mark.parametrize("said", [b"", b'{"type"', CHUNK[:200]], ids=["nothing", "line", "payload"])
def test_the_oldest_that_has_said_nothing_whole_makes_room(
    small: ServerThread, said: bytes
) -> None:
    with ExitStack() as silent:
        first = silent.enter_context(open_tcp(address(small)))
        first.sendall(said)
        for _ in range(20):
            silent.enter_context(open_tcp(address(small))).sendall(said)
        assert is_served(small)
        assert read_to_end(first) == b""
        assert held_sockets(address(small)) <= 4
        assert httpx.get(small.http_url + "healthz", timeout=5).text == "ok\n"
        assert held_sockets(address(small)) <= 3


def test_silent_sockets_of_one_port_make_room_for_the_other(small: ServerThread) -> None:
    with ExitStack() as silent:
        pages = [silent.enter_context(open_tcp(small.http_url)) for _ in range(4)]
        assert is_served(small)
        assert read_to_end(pages[0]) == b""


def test_those_that_speak_share_the_room_of_all(small: ServerThread) -> None:
    with ExitStack() as speaking:
        for _ in range(2):
            raw = speaking.enter_context(open_tcp(address(small)))
            raw.sendall(event("ping"))
            assert answer(raw)["type"] == "pong"
            websocket = speaking.enter_context(connect(small.url))
            websocket.send('{"type":"start"}')
            assert json.loads(websocket.recv(timeout=5))["type"] == "ready"
        with open_tcp(address(small)) as raw:
            error = answer(raw)
            assert error["type"] == "error"
            assert error["data"]["text"] == "there are too many connections; try again later"
            assert raw.recv(1) == b""
        with open_tcp(small.http_url) as raw:
            assert b"503" in read_to_end(raw)
    eventually(lambda: small.server.connections == 0)
    for _ in range(10):  # more than there is room for: each has left when it is gone
        assert is_served(small)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell")
def test_both_ports_ask_silent_peers_whether_they_are_there(small: ServerThread) -> None:
    for url in (address(small), small.http_url):
        with open_tcp(url) as raw:
            ours, theirs = (f":{name[1]:04X}" for name in (raw.getsockname(), raw.getpeername()))
            eventually(lambda: held_sockets(url) > 0)  # noqa: B023 - called at once
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
            (timer,) = [
                line[5] for line in lines if line[1].endswith(theirs) and line[2].endswith(ours)
            ]
            assert timer.startswith("02:")  # keep-alive


@pytest.mark.parametrize("can_cut", [True, False], ids=["the system cuts", "the system does not"])
def test_who_reads_no_answers_is_cut(monkeypatch: pytest.MonkeyPatch, can_cut: bool) -> None:
    if not can_cut:
        monkeypatch.delattr(socket, "TCP_USER_TIMEOUT", raising=False)
    options = ServerOptions(wyoming_port=0, send_timeout_s=0.3)
    with ServerThread(options) as server, open_tcp(address(server)) as raw:
        with pytest.raises(ConnectionError):
            send_for_ever(raw, event("ping", {"text": "x" * 1_000}) * 100)
        eventually(lambda: server.server.connections == 0)
        eventually(lambda: held_sockets(address(server)) == 0)


def test_the_silent_go_even_if_the_oldest_does_not_read_that_it_must() -> None:
    options = ServerOptions(wyoming_port=0, max_undecided=2, first_message_timeout_s=60)
    with ServerThread(options) as server, ExitStack() as silent:
        deaf = silent.enter_context(open_tcp(address(server)))
        deaf.settimeout(0.5)
        with pytest.raises(TimeoutError):
            send_for_ever(deaf, event("ping", {"text": "x" * 1_000}) * 100)
        clients = [silent.enter_context(open_tcp(address(server))) for _ in range(8)]
        for client in clients[:-2]:
            assert last_event(read_to_end(client))["data"]["code"] == "idle_timeout"


@pytest.mark.parametrize("before", [b"", CHUNK], ids=["first", "later"])
@pytest.mark.parametrize(
    "half",
    [b"", b'{"type": "pi', b'{"type": "ping", "data_length": 9}\n{"te', CHUNK[:1_000]],
    ids=["nothing", "line", "data", "payload"],
)
def test_half_an_event_has_a_deadline(hasty: ServerThread, before: bytes, half: bytes) -> None:
    with open_tcp(address(hasty)) as raw:
        raw.sendall(before + half)
        assert last_event(read_to_end(raw))["data"]["code"] == "idle_timeout"
    eventually(lambda: hasty.server.places.taken == 0)


@pytest.mark.parametrize("before", [b"", CHUNK], ids=["first", "later"])
@pytest.mark.parametrize("whole", [b'{"type": "' + b"x" * 1_000, CHUNK], ids=["line", "payload"])
def test_an_event_that_drips_has_a_deadline(
    hasty: ServerThread, before: bytes, whole: bytes
) -> None:
    with open_tcp(address(hasty)) as raw:
        raw.sendall(before + whole[:200])
        raw.settimeout(0.05)
        told = b""
        for byte in whole[200:1_000]:
            raw.sendall(bytes([byte]))
            try:
                read = raw.recv(65_536)
            except TimeoutError:
                continue
            told += read
            if not read:
                break
        else:
            raise AssertionError("it was let go on")
    assert last_event(told)["data"]["code"] == "idle_timeout"
    eventually(lambda: hasty.server.places.taken == 0)


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        (b'{"type": "audio-chunk", "payload_length": 1048577}\n', "send at most 1048576 bytes"),
        (b'{"type": "audio-chunk", "payload_length": 9000000000000000000}\n', "at most 1048576"),
        (b'{"type": "ping", "data_length": 65537}\n', "send at most 65536 bytes, audio as payload"),
        (b'{"type": "ping", "data_length": 9000000000000000000}\n', "at most 65536 bytes"),
        (b"x" * 70_000, "no line end within 65536 bytes"),
    ],
    ids=["payload", "endless payload", "data", "endless data", "line"],
)
def test_a_size_that_is_too_large_is_told_to_a_client_that_goes_on_sending(
    small: ServerThread, header: bytes, advice: str
) -> None:
    before = psutil.Process(os.getpid()).memory_info().rss
    with open_tcp(address(small)) as raw:
        raw.sendall(header)
        for _ in range(64):
            raw.sendall(bytes(262_144))
        assert advice in answer(raw)["data"]["text"]
        assert raw.recv(1) == b""
    eventually(lambda: held_sockets(address(small)) == 0)
    assert psutil.Process(os.getpid()).memory_info().rss - before < 12_000_000


def test_the_end_is_told_at_once_and_comes_if_the_client_does_not_close(
    small: ServerThread,
) -> None:
    with open_tcp(address(small)) as raw:
        raw.sendall(b"no event\n")
        assert answer(raw)["type"] == "error"
        assert raw.recv(1) == b""
        assert held_sockets(address(small)) == 1  # lets pass what is on its way
        eventually(lambda: held_sockets(address(small)) == 0)


def test_peers_that_reset_leave_nothing_in_the_log(
    small: ServerThread, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for said in (b"", b"{", CHUNK[:5_000], CHUNK, event("describe"), b"no event\n"):
            for _ in range(5):
                raw = open_tcp(address(small))
                raw.sendall(said)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.close()
        eventually(lambda: held_sockets(address(small)) == 0)
        eventually(lambda: small.server.connections == 0)
    assert not [r for r in caplog.records if r.exc_info or r.levelno >= logging.WARNING]
    assert small.server.places.taken == 0
