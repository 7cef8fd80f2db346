"""The files of docs/deployment.md in the programs that they are for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import httpx
import pytest
from websockets.sync.client import connect as open_websocket
from websockets.typing import Origin

from clients.client import connect
from streamer.protocol import StartMessage
from tests.contract.conftest import RATE, Speech
from tests.docs.proxies import (
    Certificate,
    Proxy,
    block,
    caddy_command,
    free_port,
    new_certificate,
    nginx_command,
    program,
    running,
)
from tests.serving import ServerThread

COMMANDS = {"nginx": nginx_command, "caddy": caddy_command}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return new_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=list(COMMANDS))
def proxy(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
    server: ServerThread,
) -> Iterator[Proxy]:
    """nginx, then Caddy, before the real server."""
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    upstream = server.http_url.removesuffix("/")
    command = COMMANDS[request.param](folder, upstream, certificate, port)
    with running(command, folder, certificate, port) as up:
        yield up


@pytest.mark.slow
async def test_speech_through_tls(
    proxy: Proxy, certificate: Certificate, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    url = f"wss://localhost:{proxy.port}/v1/stream"
    async with connect(url, StartMessage(live=False)) as client:
        for at in range(0, len(speech.samples), RATE // 10):
            await client.send_audio(speech.samples[at : at + RATE // 10])
        await client.stop()
        said = client.transcript.text
    assert speech.errors_in(said) <= 0.25


@pytest.mark.slow
def test_recordings_through_tls(proxy: Proxy, speech: Speech) -> None:
    with httpx.Client(verify=proxy.tls, timeout=60) as client:
        answer = client.post(
            f"{proxy.url}/v1/audio/transcriptions",
            files={"file": speech.path.read_bytes() + bytes(2_000_000)},  # more than nginx's usual
            data={"model": "streamer", "stream": "true"},
        )
    assert answer.status_code == 200
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data")]
    assert speech.errors_in(events[-1]["text"]) <= 0.25


@pytest.mark.slow
def test_the_page_may_connect_and_others_may_not(proxy: Proxy) -> None:
    url = f"wss://localhost:{proxy.port}/v1/stream"
    with open_websocket(url, ssl=proxy.tls, origin=Origin(proxy.url)) as socket:
        socket.send('{"type": "start"}')
        assert json.loads(socket.recv())["type"] == "ready"
    with open_websocket(url, ssl=proxy.tls, origin=Origin("https://elsewhere.example")) as socket:
        assert json.loads(socket.recv())["code"] == "unauthorized"


@pytest.mark.slow
def test_metrics_stay_inside(proxy: Proxy) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{proxy.url}/metrics", timeout=20, context=proxy.tls)
    assert refused.value.code == 404


def test_nginx_takes_several_machines(tmp_path: Path, certificate: Certificate) -> None:
    command = nginx_command(tmp_path, "http://streamer", certificate, free_port())
    _passes([*command, "-t"])


def test_caddy_takes_several_machines(tmp_path: Path, certificate: Certificate) -> None:
    _, _, *config = caddy_command(tmp_path, "http://streamer", certificate, free_port())
    _passes([program("caddy"), "validate", *config])


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on PATH")
    unit = tmp_path / "streamer.service"
    installed = Path(sys.executable).parent / "streamer"
    text = block("systemd").text
    assert "/opt/streamer/.venv/bin/streamer" in text
    unit.write_text(text.replace("/opt/streamer/.venv/bin/streamer", str(installed)))
    assert _passes([analyze, "verify", "--man=no", str(unit)]) == ""


def _passes(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr
