"""`streamer transcribe` of pipes, folders and addresses: as other programs and people use it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEngine, silence, tone
from tests.local_web import served
from tests.media import encoded, written
from tests.streamer.cli.conftest import Run

COMMAND = [sys.executable, "-m", "tests.streamer.cli.fake_streamer", "transcribe"]
SPEECH = np.concatenate([tone(0.5), silence(0.5), tone(0.5), silence(0.5)])


@contextmanager
def streamer(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("name", ["talk.m4a", "chromium.webm", "talk.wav"])
def test_a_pipe_is_read_to_its_end(name: str) -> None:
    with streamer("--json", "-") as process:
        printed, errors = process.communicate(encoded(SPEECH, name), timeout=30)
    assert (process.returncode, errors) == (0, b"")
    told = json.loads(printed)
    assert (told["file"], told["text"].split()[0]) == ("-", "w0")
    assert told["duration_s"] == pytest.approx(2.0, abs=0.1)


def test_raw_samples_come_as_they_are_made() -> None:
    """A segment is printed while the pipe is still open; ctrl-C ends what has no end."""
    stereo = np.repeat(np.concatenate([SPEECH, tone(0.5)])[:, None], 2, axis=1)
    arguments = ("--raw", "s16le", "--rate", "16000", "--channels", "2", "-")
    with streamer(*arguments) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write((stereo * 32_767).astype("<i2").tobytes())
        process.stdin.flush()
        assert process.stdout.readline().split()[-2] == b"w0"
        assert process.stdout.readline().split()[-2] == b"w16000"
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
    assert printed.split()[-2] == b"w32000"  # what was open became final
    assert (process.returncode, errors) == (0, b"")


def test_a_radio_is_heard_until_ctrl_c(tmp_path: Path) -> None:
    sound = encoded(np.tile(SPEECH, 30), "talk.mp3")
    with (
        served({"/live.mp3": [sound, None]}) as url,
        streamer("--json", "--save", str(tmp_path), f"{url}/live.mp3") as process,
    ):
        captions = tmp_path / "live.txt"
        while not captions.exists() or captions.read_text().count("w") < 20:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, b"")
    assert json.loads(printed)["text"].startswith("w0 w16000")
    assert captions.read_text().count("w") >= 20


def test_a_folder_and_one_bad_file(run: Run, fake_engine: FakeEngine, tmp_path: Path) -> None:
    written(tmp_path, SPEECH, "film.mp4")
    (tmp_path / "broken.m4a").write_bytes(b"no sound")
    written(tmp_path, SPEECH, "talk.mp3")
    result = run("transcribe", tmp_path, "--save", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path}/broken.m4a: is not audio that can be read\n"
    assert "film.mp4:" in result.stdout
    assert {path.name for path in (tmp_path / "out").glob("*.srt")} == {"film.srt", "talk.srt"}


def test_an_address_that_cannot_be_reached(run: Run, fake_engine: FakeEngine) -> None:
    result = run("transcribe", "http://127.0.0.1:9/talk.mp3")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: http://127.0.0.1:9/talk.mp3: cannot be reached (Connection refused)\n"
    )
