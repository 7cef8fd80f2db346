"""`streamer serve`: options, failures, and a real process from start to stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from streamer.hosting.options import TLS_CERTIFICATE, ServerOptions
from streamer.protocol.frames import encode_frame
from streamer.protocol.messages import Encoding
from streamer.recognition.engine import Engine, EngineOptions
from tests.conftest import ROOT
from tests.fakes import FakeEngine, tone
from tests.streamer.cli.conftest import Run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, fake_engine: FakeEngine) -> list[Any]:
    """What `run_server` was asked to run; it returns at once."""
    calls: list[Any] = []

    def run_server(app: Any, host: str, port: int, on_ready: Callable[[str], None]) -> None:
        calls.append((app.state.server.options, host, port))
        on_ready("http://somewhere/")

    monkeypatch.setattr("streamer.app.run_server", run_server)
    monkeypatch.setattr("streamer.app.check_ports", lambda options: None)
    return calls


def test_defaults(run: Run, served: list[Any], fake_engine: FakeEngine) -> None:
    result = run("serve")
    assert result.exit_code == 0
    assert result.stdout == "Captions: http://somewhere/  (ctrl-C stops)\n"
    assert served == [(ServerOptions(), "127.0.0.1", 8765)]
    assert fake_engine.closed


def test_options_and_environment(
    run: Run, served: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STREAMER_PORT", "9000")
    monkeypatch.setenv("STREAMER_TOKEN", "secret")
    monkeypatch.setenv("STREAMER_ALLOW_HOST", "b.example c.example")
    run("serve", "--host", "0.0.0.0", "--max-sessions", "3", "--allow-origin", "https://a.example")
    ((options, host, port),) = served
    assert (host, port) == ("0.0.0.0", 9000)
    assert (options.token, options.max_sessions) == ("secret", 3)
    assert options.allow_origin == ("https://a.example",)
    assert options.allow_host == ("b.example", "c.example")


@pytest.mark.parametrize(
    ("policy", "loaded"), [("off", None), ("opt-in", "emotion"), ("on", "emotion")]
)
def test_where_emotion_is_off_no_model_for_it_is_loaded(
    run: Run,
    served: list[Any],
    fake_engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    loaded: str | None,
) -> None:
    models: list[str | None] = []

    def load_engine(*arguments: Any, emotion_model: str | None, **more: Any) -> FakeEngine:
        models.append(emotion_model)
        return fake_engine

    monkeypatch.setattr("streamer.cli.serve.load_engine", load_engine)
    run("serve", "--emotion", policy)
    assert models == [loaded]
    assert served[0][0].emotion == policy


@pytest.mark.parametrize(
    ("arguments", "languages"),
    [
        ((), ("en", "en")),
        (("--language", "german"), ("en", "de")),
        (("--speech-language", "japanese"), ("ja", "ja")),
        (("--speech-language", "ja", "--language", "auto"), ("ja", "auto")),
    ],
)
def test_sessions_speak_what_the_model_hears_unless_told_otherwise(
    run: Run,
    served: list[Any],
    fake_engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    languages: tuple[str, str],
) -> None:
    found: list[tuple[str, str]] = []

    def load_engine(*_: Any, speech_language: str, language: str, **more: Any) -> FakeEngine:
        found.append((speech_language, language))
        return fake_engine

    monkeypatch.setattr("streamer.cli.serve.load_engine", load_engine)
    run("serve", *arguments)
    assert found == [languages]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--token", ""], "error: --token must not be empty"),
        (["--token", "p\u00e4ssword"], "error: --token must be of printable ASCII characters"),
        (["--allow-host", "https://a.example"], "error: --allow-host takes names"),
        (["--token", "x", "--wyoming-port", "0"], "leave out --token or --wyoming-port"),
        (["--wyoming-zeroconf"], "error: --wyoming-zeroconf announces --wyoming-port; choose"),
        (["--port", "70000"], "65535"),
        (["--language", "tlh"], "--language: 'tlh' is not known; use auto, or one of af"),
        (["--speech-language", "tlh"], "--speech-language: 'tlh' is not known"),
        (["--speech-language", "auto"], "--speech-language: a speech model hears one language"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_settings_that_cannot_be(
    run: Run, served: list[Any], arguments: list[str], message: str
) -> None:
    result = run("serve", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert served == []


def test_a_trace_that_cannot_be_written(run: Run, fake_engine: FakeEngine, tmp_path: Path) -> None:
    result = run("serve", "--port", "0", "--trace", tmp_path / "missing" / "trace.json")
    assert result.exit_code == 1
    assert "the trace cannot be written to" in result.stderr
    assert fake_engine.closed


def test_the_wyoming_port_may_be_in_use_too(run: Run, fake_engine: FakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", "0", "--wyoming-port", str(port))
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 ports 0 and {port}: Address already in use" in result.stderr


def test_a_port_in_use_is_one_line(run: Run, fake_engine: FakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "choose another --port\n"
    )


@pytest.mark.parametrize("option", ["--port", "--wyoming-port"])
def test_ports_are_asked_for_before_models_are_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    loaded: list[None] = []
    monkeypatch.setattr("streamer.cli.serve.load_engine", lambda *args, **kw: loaded.append(None))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", "--port", "0", option, str(taken.getsockname()[1]))
    assert (result.exit_code, loaded) == (1, [])


def test_a_token_of_the_command_is_printed_with_the_link(run: Run, served: list[Any]) -> None:
    result = run("serve", "--token", "a+b")
    assert result.stdout == "Captions: http://somewhere/?token=a%2Bb  (ctrl-C stops)\n"


def test_a_token_of_the_environment_stays_out_of_logs(
    run: Run, served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_TOKEN", "secret")
    result = run("serve")
    assert served[0][0].token == "secret"
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "warned"),
    [
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--token", "x"], False),
        ([], False),
    ],
)
def test_whoever_lets_everybody_in_is_warned(
    run: Run, served: list[Any], arguments: list[str], warned: bool
) -> None:
    assert ("warning: --host 0.0.0.0 lets anybody" in run("serve", *arguments).stderr) is warned


def test_https_with_a_certificate_that_is_kept(tmp_path: Path) -> None:
    """Whoever trusts that certificate gets the page, and speaks."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STREAMER_CACHE": str(tmp_path)}
    module = "tests.streamer.cli.fake_streamer"
    with subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--port", "0", "--tls"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[1]
            trusting = ssl.create_default_context(cafile=tmp_path / "tls" / TLS_CERTIFICATE)
            with urllib.request.urlopen(f"{url}healthz", context=trusting) as answer:
                assert answer.read() == b"ok\n"
            with connect(url.replace("http", "ws", 1) + "v1/stream", ssl=trusting) as websocket:
                websocket.send('{"type":"start"}')
                assert json.loads(websocket.recv(timeout=20))["type"] == "ready"
            with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
                urllib.request.urlopen(f"{url}healthz")
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
    assert url.startswith("https://")
    assert f"certificate {tmp_path / 'tls' / TLS_CERTIFICATE}, SHA-256 " in errors
    assert "Traceback" not in errors


def test_a_certificate_that_cannot_be_kept(
    run: Run, served: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "file"))
    result = run("serve", "--tls")
    assert result.exit_code == 1
    assert "error: --tls: the certificate cannot be kept in" in result.stderr


@pytest.mark.slow
def test_a_real_server_starts_answers_and_stops() -> None:
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--no-llm"]
    environment = {k: v for k, v in os.environ.items() if k != "STREAMER_TOKEN"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        with urllib.request.urlopen(f"{url}v1/config") as answer:
            config = json.load(answer)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert config["decoder"] == "draft"
    assert "llm" not in config["models"]
    assert "Traceback" not in errors


@pytest.mark.slow
def test_an_ordinary_user_serves_from_models_that_nobody_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    Engine.load(EngineOptions(threads=2, llm=False, languages=True)).close()  # converts them
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = _as_ordinary_user()
    assert subprocess.run([*user, "mkdir", tmp_path / "new"], check=False).returncode
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    command = [*user, sys.executable, "-m", "streamer", "serve", "--port", "0", "--no-llm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        with urllib.request.urlopen(f"{url}readyz") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def _as_ordinary_user() -> list[str]:
    """What to run a command by. Root stays root, as others may not read its interpreter, but
    loses the power to write where it may not."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root can write everywhere, and there is no setpriv to make it ordinary")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


def test_it_ends_in_order_when_its_standard_input_does() -> None:
    module = "tests.streamer.cli.fake_streamer"
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--port", "0", "--stop-at-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        process.stdin.write("what is written there does not matter\n")
        process.stdin.flush()
        with connect(url.replace("http", "ws", 1) + "v1/stream") as websocket:
            websocket.send('{"type":"start"}')
            websocket.send(encode_frame(0, 0, 0.0, tone(1.0), Encoding.PCM_S16LE))
            event = json.loads(websocket.recv(timeout=20))
            assert event["type"] == "ready"
            process.stdin.close()
            while event["type"] != "bye":
                event = json.loads(websocket.recv(timeout=20))
        assert process.wait(20) == -signal.SIGTERM
    finally:
        process.kill()
        process.stdin = None  # closed; `communicate` would flush it
        _, errors = process.communicate()
    assert (event["reason"], event["words"]) == ("shutdown", 2)
    assert errors == ""
