"""The Home Assistant add-on, as far as it can be held without Home Assistant: its description, the
folder that is copied there, and its start with a stand-in for the Supervisor."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from streamer.cli.options import LatencyChoice
from streamer.recognition.languages import AUTO, NAMES
from tests.conftest import ROOT
from tests.deploy.test_locks import PROJECT

FOLDER: Final = ROOT / "deploy" / "home-assistant"
CONFIG: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
KEYS: Final = {
    *("name", "version", "slug", "description", "arch", "stage", "discovery", "ports"),
    *("ports_description", "webui", "ingress", "watchdog", "timeout", "tmpfs", "environment"),
    *("options", "schema"),
}
"""Of those that an add-on's description may have."""
OPTION: Final = re.compile(r"bool|list\((\w+\|)+\w+\)")
STARTER: Final = """\
import encodings.idna, pwd, sys  # all that it loads: "nobody" may not read where that lies here
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import run
server = ["sh", "-c", "id -u; env; read end"]
run.start(Path(sys.argv[2]), pwd.getpwnam("nobody"), server, sys.argv[3])
"""
"""With a program in the server's place that tells who it is and what it is told."""


def test_the_description_is_one_that_home_assistant_takes() -> None:
    assert set(CONFIG) <= KEYS
    assert {"name", "version", "slug", "description", "arch"} <= set(CONFIG)
    assert set(CONFIG["arch"]) <= {"amd64", "aarch64"}
    for port, mapped in CONFIG["ports"].items():
        assert re.fullmatch(r"\d+/(tcp|udp)", port)
        assert mapped is None, "open only for those who ask for it"
    assert set(CONFIG["ports_description"]) == set(CONFIG["ports"])
    for key in ("webui", "watchdog"):
        (port,) = re.findall(r"^http://\[HOST\]:\[PORT:(\d+)\](?:/\w+)?$", CONFIG[key])
        assert f"{port}/tcp" in CONFIG["ports"]
    assert all(isinstance(value, str) for value in CONFIG["environment"].values())
    assert CONFIG["options"].keys() == CONFIG["schema"].keys()
    for kind in CONFIG["schema"].values():
        assert OPTION.fullmatch(kind), kind
    assert 10 <= CONFIG["timeout"] <= 300


def test_it_offers_what_the_server_can_do() -> None:
    schema = CONFIG["schema"]
    assert CONFIG["version"] == PROJECT["project"]["version"]
    assert _choices(schema["language"]) == [AUTO, *NAMES]
    assert _choices(schema["latency"]) == list(LatencyChoice)
    for name, value in CONFIG["options"].items():
        assert value in (True, False) if schema[name] == "bool" else value in _choices(schema[name])
    told = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for name in [*CONFIG["environment"], *(f"STREAMER_{key.upper()}" for key in schema)]:
        assert f"`{name}`" in told


def _choices(kind: str) -> list[str]:
    return kind.removeprefix("list(").removesuffix(")").split("|")


def test_the_folder_holds_all_that_is_built_from_it(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make on PATH")
    folder = tmp_path / "streamer"
    command = ["make", "--silent", "--directory", str(ROOT), "home-assistant", f"ADDON={folder}"]
    subprocess.run(command, check=True, capture_output=True)
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert (folder / "config.yaml").read_bytes() == (FOLDER / "config.yaml").read_bytes()
    dockerfile = (folder / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)
    assert set(copied) == {"deploy/requirements.lock", ".", "run.py"}
    for name in copied:
        assert (folder / name).exists()
    package = {path.relative_to(folder) for path in (folder / "streamer").rglob("*.*")}
    for name in ("models/weights/emotion.onnx", "client/web/index.html", "client/client.py"):
        assert Path("streamer", name) in package
    assert dockerfile.index("models prepare") < dockerfile.index("USER 0")
    assert dockerfile.endswith('CMD ["python", "/run.py"]\n')


@contextmanager
def supervisor(status: int) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Home Assistant's Supervisor, as far as an add-on sees it: its address, and what it was
    told."""
    heard: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 500])
def test_an_ordinary_user_serves_and_home_assistant_is_told(status: int, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    (tmp_path / "options.json").write_text('{"language": "de", "llm": false}')
    (tmp_path / "options.json").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as wyoming, supervisor(status) as (address, heard):
        port = wyoming.getsockname()[1]
        with subprocess.Popen(
            [sys.executable, "-c", STARTER, FOLDER, tmp_path / "options.json", address],
            env={**os.environ, "STREAMER_WYOMING_PORT": str(port), "SUPERVISOR_TOKEN": "secret"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            said, errors = _after(heard, server)
    user, *environment = said.splitlines()
    assert int(user) == pwd.getpwnam("nobody").pw_uid
    assert {"STREAMER_LANGUAGE=de", "STREAMER_LLM=false"} <= set(environment)
    assert "secret" not in said
    uri = f"tcp://{socket.gethostname()}:{port}"
    told = {"service": "wyoming", "config": {"uri": uri}}
    assert heard == [("/discovery", "Bearer secret", told)]
    assert ("Home Assistant was not told" in errors) == (status == 500)


def _after(heard: list[Any], server: subprocess.Popen[str]) -> tuple[str, str]:
    """What the server says until the Supervisor has heard something, and then ends."""
    deadline = time.monotonic() + 30
    while not heard and time.monotonic() < deadline:
        time.sleep(0.05)
    return server.communicate("\n", timeout=60)
