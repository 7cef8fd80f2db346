"""The files of docs/deployment.md, and our Caddyfile, in the programs that they are for."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_websocket
from websockets.typing import Origin

from streamer.app import ServerOptions
from streamer.client.backoff import ReconnectOptions
from streamer.client.client import connect
from streamer.client.follow import follow
from streamer.protocol.messages import FollowingEvent, StartMessage
from tests.contract.conftest import RATE, Speech
from tests.docs.proxies import (
    CADDYFILE,
    PUBLIC_NAME,
    SEVERAL,
    Certificate,
    Proxy,
    caddy_command,
    free_port,
    new_certificate,
    nginx_command,
    program,
    running,
)
from tests.fakes import tone
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

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


@pytest.mark.parametrize("kind", list(COMMANDS))
@pytest.mark.parametrize("told", [True, False])
def test_a_server_beside_its_proxy_answers_for_the_name_it_was_told(
    kind: str, told: bool, tmp_path: Path, certificate: Certificate
) -> None:
    options, port = ServerOptions(allow_host=(PUBLIC_NAME,) if told else ()), free_port()
    with ServerThread(options) as server:
        command = COMMANDS[kind](tmp_path, server.http_url.removesuffix("/"), certificate, port)
        with running(command, tmp_path, certificate, port) as proxy:
            answer = _answer_to_the_page(proxy)
    assert answer == ("ready" if told else "421")


def _answer_to_the_page(proxy: Proxy) -> str:
    """What the page gets that was opened by the public name."""
    here = socket.create_connection(("127.0.0.1", proxy.port))
    site = f"{PUBLIC_NAME}:{proxy.port}"
    try:
        opening = open_websocket(
            f"wss://{site}/v1/stream", ssl=proxy.tls, sock=here, origin=Origin(f"https://{site}")
        )
    except InvalidStatus as refused:
        return str(refused.response.status_code)
    with opening as websocket:
        websocket.send('{"type": "start"}')
        return str(json.loads(websocket.recv())["type"])


@pytest.mark.parametrize("kind", list(COMMANDS))
@pytest.mark.parametrize("knows", [True, False])
async def test_clients_come_back_to_their_machine(
    kind: str,
    knows: bool,
    tmp_path: Path,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And where the balancer does not see to that, they lose no word either."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    port = free_port()
    with one_of_several("a") as one, one_of_several("b") as other:
        command = COMMANDS[kind](tmp_path, SEVERAL, certificate, port)
        config = tmp_path / ("nginx.conf" if kind == "nginx" else "Caddyfile")
        text = config.read_text()
        if not knows:
            text = text.replace("$arg_session", "nothing").replace("query.session", "query.no")
            text = text.replace("least_conn", "round_robin" if kind == "caddy" else "keepalive 2")
        for address, machine in (("10.0.0.1:8765", one), ("10.0.0.2:8765", other)):
            assert address in text
            text = text.replace(address, urlsplit(machine.http_url).netloc)
        config.write_text(text)
        with running(command, tmp_path, certificate, port) as balancer:
            url = f"wss{balancer.url.removeprefix('https')}/v1/stream"
            said = await _cut_speech(url)
            sessions = [machine.sample("streamer_sessions_total") for machine in (one, other)]
            if knows:
                await _follow_many(url)
    assert len(said) == 12  # the fake models hear a word in every half second
    if knows:  # by turns, chance decides where a client gets to
        assert sum(sessions) == 1


def one_of_several(name: str) -> ServerThread:
    return ServerThread(ServerOptions(heartbeat_s=0.02, replica=name))


async def _follow_many(url: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(6):
            client = await stack.enter_async_context(connect(url))
            assert client.ready is not None
            async with follow(client.ready.follow_id or "", url) as follower:
                event = await anext(follower)
                assert isinstance(event, FollowingEvent)


async def _cut_speech(url: str) -> list[str]:
    quick = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.05)
    async with cutting_proxy(url) as cuts:
        address = cuts.url.replace("127.0.0.1", "localhost")
        async with connect(address, StartMessage(live=False), reconnect=quick) as client:
            for i in range(60):
                await client.send_audio(tone(0.1))
                if i in (10, 30, 50):
                    before = cuts.connections
                    cuts.cut()
                    async with asyncio.timeout(20):
                        while cuts.connections == before:
                            await asyncio.sleep(0.01)
            await client.stop()
            assert cuts.connections > 3
            return client.transcript.text.split()


def test_caddy_takes_several_machines(tmp_path: Path, certificate: Certificate) -> None:
    _, _, *config = caddy_command(tmp_path, SEVERAL, certificate, free_port())
    _passes([program("caddy"), "validate", *config])


@pytest.mark.parametrize("told", [True, False])
def test_caddy_reads_its_settings(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DOMAIN", "talk.example"), ("SERVER", "streamer:80")):
        if told:
            monkeypatch.setenv(f"CAPTIONS_{name}", value)
        else:
            monkeypatch.delenv(f"CAPTIONS_{name}", raising=False)
    adapted = subprocess.run(
        [program("caddy"), "adapt", "--config", CADDYFILE],
        capture_output=True,
        text=True,
        check=True,
    )
    (server,) = json.loads(adapted.stdout)["apps"]["http"]["servers"].values()
    assert server["listen"] == [":443"]
    name, upstream = ("talk.example", "streamer:80") if told else (PUBLIC_NAME, "127.0.0.1:8765")
    assert server["routes"][0]["match"] == [{"host": [name]}]
    assert f'"dial": "{upstream}"' in json.dumps(server["routes"])


def _passes(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr
