"""Real processes: however `streamer mic` ends, the server that it started ends with it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import ROOT
from tests.fakes import eventually

COMMAND = [sys.executable, "-m", "tests.streamer.cli.fake_streamer", "mic"]
pytestmark = pytest.mark.slow
DEADLY = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL]


class Mic:
    """A running `streamer mic`, and its server."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        eventually(lambda: psutil.Process(process.pid).children())
        (self.server,) = psutil.Process(process.pid).children()

    @property
    def server_is_gone(self) -> bool:
        try:  # who inherits it may be in no hurry to ask how it ended
            return bool(self.server.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts a `Mic`; what of it is left in the end is killed."""
    mics: list[Mic] = []

    def start(
        arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None, **options: Any
    ) -> Mic:
        settings = {name: v for name, v in os.environ.items() if not name.startswith("STREAMER_")}
        settings |= {"PYTHONPATH": str(ROOT), **(environment or {})}
        process = subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, env=settings, **options)
        mics.append(Mic(process))
        return mics[-1]

    yield start
    for mic in mics:
        mic.process.kill()
        mic.process.communicate()
        if not mic.server_is_gone:
            mic.server.kill()


def said(folder: Path) -> str:
    """What has been saved so far."""
    return "".join(path.read_text() for path in folder.glob("*.txt"))


def is_captioning(mic: Mic) -> bool:
    """It has signals of its own when it hears its microphone."""
    status = Path(f"/proc/{mic.process.pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")


@needs_proc
@pytest.mark.parametrize("which", DEADLY)
def test_its_server_ends_with_it(started: Any, which: signal.Signals, tmp_path: Path) -> None:
    mic = started(["--save", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: is_captioning(mic))
    mic.process.send_signal(which)
    _, errors = mic.process.communicate(timeout=20)
    eventually(lambda: mic.server_is_gone)
    assert b"Traceback" not in errors
    if which is signal.SIGKILL:
        assert mic.process.returncode == -which
    else:
        assert mic.process.returncode == 0
        assert said(tmp_path).startswith("w0")  # the last words


@pytest.mark.parametrize("which", DEADLY)
def test_a_server_that_loads_its_models_ends_too(started: Any, which: signal.Signals) -> None:
    mic = started(environment={"SLOW": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    mic.process.send_signal(which)
    mic.process.communicate(timeout=20)
    assert mic.process.returncode != 0
    eventually(lambda: mic.server_is_gone)


@needs_proc
def test_a_terminal_that_is_closed_ends_both(started: Any, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    mic = started(
        ["--save", str(tmp_path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = b""
    while b"w16000" not in shown:
        shown += os.read(ours, 65_536)
    os.close(ours)
    assert mic.process.wait(20) == 0
    eventually(lambda: mic.server_is_gone)
    assert "w16000" in said(tmp_path)
