from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets import Origin, Subprotocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from streamer.app import ServerOptions, create_app, serve
from streamer.protocol.frames import encode_frame
from streamer.protocol.messages import Encoding
from tests.conversations import log_records, said
from tests.fakes import FakeEngine, eventually, tone
from tests.serving import ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token="s3cret", max_sessions=2)) as server:
        yield server


def read_all(websocket: ClientConnection) -> tuple[list[dict[str, object]], int | None]:
    """All events and the close code."""
    events = []
    try:
        while True:
            events.append(json.loads(websocket.recv(timeout=20)))
    except ConnectionClosed as closed:
        return events, closed.rcvd.code if closed.rcvd else None


def frame(seconds: float) -> bytes:
    return encode_frame(0, 0, 0.0, tone(seconds), Encoding.PCM_S16LE)


def test_health_metrics_and_config(server: ServerThread) -> None:
    with httpx.Client(base_url=server.http_url) as http:
        assert http.get("healthz").text == "ok\n"
        assert http.get("readyz").status_code == 200
        metrics = http.get("metrics")
        assert "streamer_sessions_active 0.0" in metrics.text
        assert metrics.headers["content-type"].startswith("text/plain")
        config = http.get("v1/config").json()
        assert config["token_required"] is config["local_only"] is True
        assert (config["models"], config["languages"]) == ({"asr": "fake"}, ["de", "en"])


def test_the_page_may_load_nothing_from_elsewhere(server: ServerThread) -> None:
    with httpx.Client(base_url=server.http_url) as http:
        for path in ("", "static/page/app.js", "static/missing.js"):
            headers = http.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert headers["x-content-type-options"] == "nosniff"
        assert http.get("static/missing.js").status_code == 404
        assert http.get("static/..%2f..%2fpyproject.toml").status_code == 404


def test_the_page_is_served(server: ServerThread) -> None:
    page = httpx.get(server.http_url)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_a_fault_behind_a_page_leaves_one_line_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> bytes:
        raise ValueError("Quetzalcoatl")

    with ServerThread() as server, log_records() as records:
        monkeypatch.setattr(server.server.metrics, "render", breaks)
        assert httpx.get(f"{server.http_url}metrics").status_code == 500
        assert httpx.get(f"{server.http_url}healthz").status_code == 200
    (line,) = [said(record) for record in records if record.levelno > logging.INFO]
    assert line.startswith("Exception in ASGI application ValueError < streamer/test_app.py:")
    assert "\n" not in line
    assert "Quetzalcoatl" not in line


def test_an_installation_without_the_page_says_so(tmp_path: Path) -> None:
    with ServerThread(web=tmp_path) as server:
        assert "no caption page" in httpx.get(server.http_url).text


@pytest.mark.parametrize(
    "way", ["header", "query", "subprotocol"], ids=["header", "query", "subprotocol"]
)
def test_three_ways_to_show_the_token(server: ServerThread, way: str) -> None:
    url = server.url + ("?token=s3cret" if way == "query" else "")
    headers = {"Authorization": "Bearer s3cret"} if way == "header" else None
    subprotocols = (
        [Subprotocol("streamer.v1"), Subprotocol("token.s3cret")] if way == "subprotocol" else None
    )
    with connect(url, additional_headers=headers, subprotocols=subprotocols) as websocket:
        assert websocket.subprotocol == ("streamer.v1" if subprotocols else None)
        websocket.send('{"type":"start"}')
        websocket.send(frame(0.6))
        websocket.send('{"type":"stop"}')
        events, code = read_all(websocket)
    assert [event["type"] for event in events][-1] == "bye"
    assert code == 1000


def test_a_page_from_elsewhere_may_not_connect(server: ServerThread) -> None:
    with connect(server.url + "?token=s3cret", origin=Origin("http://evil.example")) as websocket:
        events, code = read_all(websocket)
    assert events[0]["code"] == "unauthorized"
    assert "evil.example" in str(events[0]["message"])
    assert code == 4401
    with connect(
        server.url + "?token=s3cret", origin=Origin(server.http_url.rstrip("/"))
    ) as websocket:
        websocket.send('{"type":"start"}')
        assert json.loads(websocket.recv(timeout=20))["type"] == "ready"


def test_places_are_limited_and_come_free(server: ServerThread) -> None:
    url = server.url + "?token=s3cret"
    eventually(lambda: server.server.connections == 0)
    with connect(url) as first, connect(url) as second:
        for websocket in (first, second):
            websocket.send('{"type":"start"}')
            assert json.loads(websocket.recv(timeout=20))["type"] == "ready"
        with connect(url) as third:
            third.send('{"type":"start"}')
            events, code = read_all(third)
        assert (events[0]["code"], code) == ("too_many_sessions", 4503)
    eventually(lambda: server.server.places.taken == 0)
    with connect(url) as websocket:
        websocket.send('{"type":"start"}')
        assert json.loads(websocket.recv(timeout=20))["type"] == "ready"


def test_vanishing_clients_leave_nothing_behind() -> None:
    with ServerThread(ServerOptions(max_sessions=100, resume_s=0.1)) as server:
        quiet = server.tasks
        for i in range(30):
            websocket = connect(server.url).__enter__()
            websocket.send('{"type":"start"}')
            websocket.send(frame(0.3 + i / 20))
            if i % 3 == 0:
                websocket.recv(timeout=20)
            if i % 2:
                # Reset, as when a machine disappears, instead of an orderly end.
                linger = b"\1\0\0\0\0\0\0\0"
                websocket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            websocket.socket.shutdown(socket.SHUT_RDWR)
            websocket.socket.close()
        eventually(lambda: server.server.connections == 0)
        eventually(lambda: server.tasks == quiet)
        eventually(lambda: server.sample("streamer_sessions_active") == 0)
        assert server.engine.executor.queued == 0
        assert [recognizer.closed for recognizer in server.engine.recognizers] == [1] * len(
            server.engine.recognizers
        )
        assert server.engine.recognizers


def test_sessions_share_the_engine() -> None:
    with ServerThread() as server, ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.url)) for _ in range(4)]
        for websocket in sockets:
            websocket.send('{"type":"start"}')
            websocket.send(frame(1.2))
            websocket.send('{"type":"stop"}')
        for websocket in sockets:
            events, _ = read_all(websocket)
            texts = [event["text"] for event in events if event["type"] == "segment"]
            assert texts == ["w0 w8000 w16000"]
        assert server.sample("streamer_sessions_total") == 4


def test_shutdown_delivers_finals_and_writes_the_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    with ServerThread(ServerOptions(trace=trace)) as server, connect(server.url) as websocket:
        websocket.send('{"type":"start"}')
        websocket.send(frame(0.7))
        while json.loads(websocket.recv(timeout=20))["type"] != "words":
            pass
        server.begin_stop()
        events, code = read_all(websocket)
    assert code == 1001
    assert [event["text"] for event in events if event["type"] == "segment"] == ["w0 w8000"]
    assert events[-1]["reason"] == "shutdown"
    assert server.engine.closed
    names = {event["name"] for event in json.loads(trace.read_text()) if event["ph"] == "X"}
    assert {"receive", "dequeue", "encode", "step", "finalize", "emit"} <= names


def test_while_draining_nobody_new_is_admitted() -> None:
    with ServerThread() as server, connect(server.url) as first:
        first.send('{"type":"start"}')
        first.recv(timeout=20)
        server.engine.hold.clear()
        first.send(frame(0.7))
        eventually(lambda: server.engine.recognizers[0].busy)
        server.begin_stop()
        eventually(lambda: server.server.draining)
        assert httpx.get(server.http_url + "readyz").status_code == 503
        with connect(server.url) as second:
            events, code = read_all(second)
        assert (events[0]["code"], code) == ("shutting_down", 1001)
        server.engine.hold.set()
        events, code = read_all(first)
        assert events[-1]["reason"] == "shutdown"


def test_sessions_that_outlive_the_grace_period_are_dropped() -> None:
    options = ServerOptions(shutdown_grace_s=0.05)
    with ServerThread(options) as server, connect(server.url) as websocket:
        websocket.send('{"type":"start"}')
        websocket.recv(timeout=20)
        server.engine.hold.clear()
        websocket.send(frame(0.7))
        eventually(lambda: server.engine.recognizers[0].busy)
        (task,) = server.server._running.values()
        server.begin_stop()
        eventually(task.cancelling)
        server.engine.hold.set()
        events, code = read_all(websocket)
    assert code == 1001
    assert "bye" not in [event["type"] for event in events]
    assert server.engine.recognizers[0].closed == 1


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", "localhost"), ("::", "localhost")],
)
async def test_the_address_is_one_that_a_browser_takes(host: str, shown: str) -> None:
    urls: list[str] = []
    stop = asyncio.Event()

    def on_ready(url: str) -> None:
        urls.append(url)
        stop.set()

    try:
        await serve(create_app(FakeEngine(), ServerOptions()), host, 0, on_ready, stop)
    except OSError:
        pytest.skip(f"this machine cannot listen on {host}")
    assert re.fullmatch(rf"http://{re.escape(shown)}:\d+/", urls[0])


async def test_a_port_in_use_is_a_plain_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = FakeEngine()
        with pytest.raises(OSError, match="in use"):
            await serve(create_app(engine, ServerOptions()), "127.0.0.1", port, print)
        await asyncio.to_thread(engine.close)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_in_order(which: signal.Signals, tmp_path: Path) -> None:
    process = started(tmp_path / "t")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with connect(url.replace("http", "ws", 1) + "v1/stream") as websocket:
            websocket.send('{"type":"start"}')
            websocket.send(frame(0.7))
            assert json.loads(websocket.recv(timeout=20))["type"] == "ready"
            process.send_signal(which)
            events, code = read_all(websocket)
        assert code == 1001
        assert any(event["type"] == "segment" for event in events)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    if which is signal.SIGINT:
        assert (process.returncode, out) == (0, "ended\n")
    else:
        assert process.returncode == -which
    assert json.loads((tmp_path / "t").read_text())


def test_a_server_that_was_told_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    """As `nohup` tells it."""
    process = started(tmp_path / "t", hangup="SIG_IGN")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert httpx.get(f"{url}healthz").text == "ok\n"
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGTERM


def started(trace: Path, hangup: str = "SIG_DFL") -> subprocess.Popen[str]:
    """A server of its own process, which says its address first."""
    program = (
        f"import signal; signal.signal(signal.SIGHUP, signal.{hangup})\n"
        "from streamer.app import ServerOptions, create_app, run_server\n"
        "from tests.fakes import FakeEngine\n"
        "from pathlib import Path\n"
        f"app = create_app(FakeEngine(), ServerOptions(trace=Path({str(trace)!r})))\n"
        "run_server(app, '127.0.0.1', 0, lambda url: print(url, flush=True))\n"
        "print('ended', flush=True)\n"
    )
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"buffer_s": 5.0},
        {"max_sessions": 0},
        {"max_message_bytes": 10},
        {"token": ""},
        {"token": " s3cret"},
        {"token": "s3cret\n"},
        {"token": "s3\x00cret"},
        {"token": "p\u00e4ssword"},
        {"token": "s3cret\u200b"},
        {"allow_host": ("https://captions.example",)},
        {"allow_host": ("captions.example:443",)},
        {"allow_host": ("",)},
    ],
)
def test_options_that_cannot_work(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))) as caught:
        ServerOptions(**settings)  # type: ignore[arg-type]
    assert "cret" not in str(caught.value)  # a token may stand in a log
