"""Pipecat's and LiveKit's speech services, pointed at this server, in an environment of their
own, as they bring another onnxruntime: `make agents` makes it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.contract.conftest import RATE, Speech
from tests.serving import ServerThread

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def agents_python() -> Path:
    found = Path(os.environ.get("STREAMER_AGENTS_PYTHON", ROOT / ".venv-agents/bin/python"))
    if not found.is_file():
        pytest.skip(f"pipecat and livekit-agents are not installed at {found}; run: make agents")
    return found


def heard_by(
    name: str, python: Path, server: ServerThread, speech: Speech, folder: Path
) -> dict[str, Any]:
    recording = folder / "speech.wav"
    shortened = speech.samples[: -RATE * 3 // 2]  # half a second of silence is left
    soundfile.write(recording, shortened, RATE, subtype="PCM_16")
    script = Path(__file__).with_name("agent_clients.py")
    done = subprocess.run(
        [python, script, name, server.http_url, recording],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    heard: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert heard["errors"] == []
    assert heard["interim"] > 1
    assert speech.errors_in(" ".join(heard["final"])) <= 0.15
    return heard


@pytest.mark.slow
def test_pipecat_with_deepgram(
    agents_python: Path, server: ServerThread, speech: Speech, tmp_path: Path
) -> None:
    heard = heard_by("pipecat-deepgram", agents_python, server, speech, tmp_path)
    assert heard["finalized"][-1]  # the answer to the Finalize that it sends when speech stops


@pytest.mark.slow
def test_pipecat_with_openai(
    agents_python: Path, server: ServerThread, speech: Speech, tmp_path: Path
) -> None:
    heard = heard_by("pipecat-openai", agents_python, server, speech, tmp_path)
    assert len(heard["final"]) == 1  # it commits once


@pytest.mark.slow
def test_livekit_with_deepgram(
    agents_python: Path, server: ServerThread, speech: Speech, tmp_path: Path
) -> None:
    heard = heard_by("livekit-deepgram", agents_python, server, speech, tmp_path)
    assert heard["started"] == heard["ended"] >= 1
    assert heard["timed_words"] == len(" ".join(heard["final"]).split())


@pytest.mark.slow
def test_livekit_with_openai(
    agents_python: Path, server: ServerThread, speech: Speech, tmp_path: Path
) -> None:
    heard = heard_by("livekit-openai", agents_python, server, speech, tmp_path)
    assert heard["started"] == heard["ended"] >= 1
