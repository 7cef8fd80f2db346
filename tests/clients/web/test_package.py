"""The client as somebody installs it with npm, in Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from streamer.app import ServerOptions
from streamer.recognition.turns.options import TurnOptions
from tests.conftest import ROOT
from tests.serving import ServerThread

FOLDER = ROOT / "clients" / "web" / "protocol"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
PROGRAM = """\
import { FollowClient, StreamClient, followAddress, streamAddress } from "streamer-client";

const server = new URL(process.argv[2]);
const client = new StreamClient(streamAddress(server), { sampleRate: 16_000, live: false });
const samples = Float32Array.from({ length: 8_000 }, (_, i) => 0.3 * Math.sin(i / 6));
const pause = new Float32Array(8_000);
let follower;
client.addEventListener("event", ({ detail }) => {
  if (detail.type === "ready") {
    follower = new FollowClient(followAddress(server, detail.follow_id));
    follower.addEventListener("event", ({ detail }) => {
      if (detail.type === "following") speak();
      if (detail.type === "segment") console.log("followed", detail.text);
    });
  }
  if (detail.type === "segment") console.log("said", detail.text);
});
client.addEventListener("closed", ({ detail }) => {
  console.log(detail.saidBye, client.state);
  setTimeout(() => follower.close(), 200);
});

function speak() {
  [samples, pause, samples].forEach((chunk, i) => {
    client.push({ sampleOffset: 8_000 * i, captureTimeMs: 0, samples: chunk });
  });
  client.configure({ hotWords: ["Ada"], turns: { eagerThreshold: 0.5, timeoutMs: 900 } });
  client.stop();
}
"""


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's, with the packed client installed."""
    if shutil.which("npm", path=PATH) is None:
        pytest.skip("no npm here; `make typescript` installs it")
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"type": "module"}')
    packed = run(["npm", "pack", "--silent", str(FOLDER)], folder)
    assert packed.returncode == 0, packed.stderr
    install = ["npm", "install", "--no-audit", "--no-fund", packed.stdout.strip()]
    installed = run(install, folder)
    if installed.returncode:
        if any(sign in installed.stderr for sign in ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN")):
            pytest.skip("the package index was not reached")
        raise AssertionError(installed.stderr)
    (folder / "program.js").write_text(PROGRAM)
    return folder


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token="s3cret/+=")) as server:
        yield server


@pytest.mark.slow
def test_a_program_in_node_speaks_and_follows(project: Path, server: ServerThread) -> None:
    done = run(["node", "program.js", f"{server.http_url}?token=s3cret/%2B="], project)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "followed w0",
        "followed w16000",
        "said w0",
        "said w16000",
        "true closed",
    ]
    options = server.engine.recognizers[0].options
    assert options.hot_words == ("Ada",)
    assert options.turns == TurnOptions(eager_threshold=0.5, timeout_ms=900)


@pytest.mark.slow
def test_the_package_holds_the_client_alone(project: Path) -> None:
    installed = project / "node_modules" / "streamer-client"
    names = {path.name for path in installed.iterdir()}
    sources = {path.name for path in FOLDER.iterdir()}
    assert names == sources


def test_it_is_of_the_same_release() -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == version("streamer")
    entry = package["exports"]["."]
    assert all((FOLDER / path).is_file() for path in entry.values())
