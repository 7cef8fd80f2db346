"""A runner for commands, and recordings for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from streamer.cli import build_app
from tests.fake_audio import FakeAudio
from tests.fakes import FakeEngine, silence, tone
from tests.serving import ServerThread

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run a command in-process: `run("models", "list")`."""
    app = build_app()

    def run_command(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run_command


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Stands in for the models in every command."""
    engine = FakeEngine()
    for command in ("serve", "transcribe"):
        monkeypatch.setattr(f"streamer.cli.{command}.load_engine", lambda *args, **kwargs: engine)
    return engine


@pytest.fixture
def audio(monkeypatch: pytest.MonkeyPatch) -> FakeAudio:
    """Stands in for the sound library."""
    fake = FakeAudio()
    monkeypatch.setattr("streamer.client.microphone.audio_system", lambda: fake)
    return fake


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Two words of the fake engine, in two segments."""
    path = tmp_path / "speech.wav"
    sound = np.concatenate([tone(0.5), silence(0.5), tone(0.5), silence(0.5)])
    soundfile.write(path, sound, 16_000, subtype="FLOAT")
    return path
