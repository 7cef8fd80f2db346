"""The documents' shell and Python examples do what they say: real programs, real models."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from streamer.transcript.wer import word_errors
from tests.contract.conftest import Speech
from tests.docs.blocks import ROOT, Block, blocks
from tests.serving import ServerThread

pytestmark = pytest.mark.slow

EXAMPLES = blocks("bash", "python")
SERVERS = [block for block in EXAMPLES if re.search(r"streamer serve|run_server\(", block.text)]
PROGRAMS = [block for block in EXAMPLES if block not in SERVERS]
TIMEOUT_S = 180


@pytest.fixture
def folder(tmp_path: Path, speech: Speech) -> Path:
    """Where the examples run; libsndfile goes by what is inside a file."""
    shutil.copy(speech.path, tmp_path / "talk.wav")
    return tmp_path


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.id)
def test_program(block: Block, folder: Path, server: ServerThread, speech: Speech) -> None:
    if "curl " in block.text and shutil.which("curl") is None:
        pytest.skip("no curl on PATH")
    wyoming = urlsplit(server.server.wyoming_address or "")
    text = block.text.replace("localhost:8765", urlsplit(server.http_url).netloc)
    text = text.replace('"localhost", 10300', f'"{wyoming.hostname}", {wyoming.port}')
    done = subprocess.run(
        _command(block.language, text),
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if "talk.wav" not in text:
        return
    errors = word_errors(speech.text, done.stdout)
    assert errors.substitutions + errors.deletions <= 0.25 * errors.reference_words, done.stdout
    if block.document == "dialects.md":
        assert errors.rate <= 0.25  # a label may stand between two segments
        labels = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "unknown")
        assert done.stdout.split()[-1] in labels


@pytest.mark.parametrize("block", SERVERS, ids=lambda block: block.id)
def test_server(block: Block, folder: Path) -> None:
    with subprocess.Popen(
        _command(block.language, block.text.replace(", 8765,", ", 0,")),
        cwd=folder,
        env=_environment(STREAMER_PORT="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[1]
            with urlopen(f"{url}readyz", timeout=TIMEOUT_S) as answer:
                assert answer.read() == b"ready\n"
            with urlopen(f"{url}v1/config", timeout=TIMEOUT_S) as answer:
                config = json.load(answer)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, said
    assert config["token_required"] is ("TOKEN" in block.text)
    assert config["decoder"] == ("draft" if "llm=False" in block.text else "fused")


def test_every_dialect_has_its_example() -> None:
    headings = [block.heading for block in EXAMPLES if block.document == "dialects.md"]
    assert headings == [
        "Deepgram",
        "Deepgram, recordings",
        "Deepgram Flux",
        "OpenAI Realtime",
        "OpenAI, files",
        "Wyoming",
    ]


def _command(language: str, text: str) -> list[str]:
    if language == "python":
        return [sys.executable, "-c", text]
    return ["bash", "-euo", "pipefail", "-c", text]


def _environment(**more: str) -> dict[str, str]:
    """With this installation's commands, and without settings of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STREAMER_") or name == "STREAMER_CACHE"
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), **more}
