"""`streamer demo`, with a server in this process in place of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

from streamer.cli.local_server import LocalServerError
from streamer.client.bundled import SpeechClip
from tests.fakes import silence, tone
from tests.serving import ServerThread
from tests.streamer.cli.conftest import Run


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SpeechClip]:
    """One short clip in place of the minute of speech."""
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5), 16_000, subtype="FLOAT")
    listed = [SpeechClip(path, "w8000", "someone", "happy", "a test", 0.5, "CC0")]
    monkeypatch.setattr("streamer.client.bundled.bundled_speech", lambda: listed)
    return listed


@pytest.fixture
def server_options(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the demo's server is started with."""
    seen: list[str] = []

    @contextmanager
    def local_server(options: Sequence[str], on_progress: Callable[[str], None]) -> Iterator[str]:
        seen.extend(options)
        on_progress("loading the fake")
        with ServerThread() as server:
            yield server.url

    monkeypatch.setattr("streamer.cli.local_server.local_server", local_server)
    return seen


def test_captions_report_and_files(
    run: Run, clips: list[SpeechClip], server_options: list[str], tmp_path: Path
) -> None:
    result = run("demo", "--output", tmp_path / "captions", "--no-llm", "--emotion-model", "folder")
    assert result.exit_code == 0, result.output
    for expected in ("loading the fake", "happy  w8000", "What was said", "0.0%", "Where the time"):
        assert expected in result.stdout
    assert "\x1b" not in result.stdout
    assert len(list((tmp_path / "captions").iterdir())) == 4
    assert server_options == [
        *("--device", "cpu", "--threads", "2"),
        *("--emotion-model", "folder", "--no-llm", "--no-languages"),
    ]


def test_captions_of_an_earlier_demo_are_kept(
    run: Run, clips: list[SpeechClip], server_options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "demo.txt").write_text("mine")
    result = run("demo", "--output", tmp_path)
    assert result.exit_code == 2
    expected = f"error: {tmp_path}/demo.txt is there already; --overwrite replaces it\n"
    assert result.stderr == expected
    assert server_options == []
    assert (tmp_path / "demo.txt").read_text() == "mine"
    assert run("demo", "--output", tmp_path, "--overwrite").exit_code == 0
    assert "w8000" in (tmp_path / "demo.txt").read_text()


def test_nothing_heard_is_a_failure(
    run: Run, clips: list[SpeechClip], server_options: list[str], tmp_path: Path
) -> None:
    soundfile.write(clips[0].path, silence(0.5), 16_000)
    result = run("demo", "--output", tmp_path / "captions")
    assert result.exit_code == 1
    assert "heard no words" in result.stderr


def test_an_unwritable_folder_is_one_line(
    run: Run, clips: list[SpeechClip], server_options: list[str]
) -> None:
    result = run("demo", "--output", clips[0].path / "x")
    assert result.exit_code == 1
    assert "the captions cannot be written" in result.stderr


def test_missing_speech_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing() -> list[SpeechClip]:
        raise FileNotFoundError(2, "No such file", "manifest.jsonl")

    monkeypatch.setattr("streamer.client.bundled.bundled_speech", missing)
    result = run("demo", "--output", tmp_path)
    assert result.exit_code == 1
    assert "the bundled speech is missing from this installation" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LocalServerError("did not start"), 1, "error: did not start"),
        (KeyboardInterrupt(), 130, "error: stopped before the end"),
    ],
)
def test_a_server_that_fails(
    run: Run,
    clips: list[SpeechClip],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
    tmp_path: Path,
) -> None:
    def local_server(*args: object) -> None:
        raise error

    monkeypatch.setattr("streamer.cli.local_server.local_server", local_server)
    result = run("demo", "--output", tmp_path)
    assert result.exit_code == code
    assert message in result.stderr
