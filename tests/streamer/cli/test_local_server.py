"""The server that demo and microphone start for themselves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from streamer.cli import local_server as module
from streamer.cli.local_server import LocalServerError, local_server

READY = (
    "import sys, time; print('loading', file=sys.stderr, flush=True); "
    "print('hello'); print('Captions: http://127.0.0.1:4242/', flush=True); time.sleep(60)"
)
BROKEN = "import sys; sys.exit('error: the model is not installed')"
SILENT = "pass"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('http://h:1/', flush=True); time.sleep(60)"
)

INTERRUPTED = """
import subprocess, sys, threading
from streamer.cli.local_server import local_server

popen, start = subprocess.Popen, threading.Thread.start

def interrupted(thread):
    start(thread)
    raise KeyboardInterrupt

threading.Thread.start = interrupted
slow = [sys.executable, "-c", "import time; time.sleep(30)"]
subprocess.Popen = lambda command, **options: popen(slow, **options)
with local_server():
    pass
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a line of Python instead of the server; gives the processes started."""
    started: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    def use(code: str) -> list[subprocess.Popen[str]]:
        def popen(command: list[str], **options: Any) -> subprocess.Popen[str]:
            started.append(real([sys.executable, "-c", code, *command[1:]], **options))
            return started[-1]

        monkeypatch.setattr(subprocess, "Popen", popen)
        return started

    return use


def test_it_gives_the_url_and_stops_the_process(stand_in: Any) -> None:
    started = stand_in(READY)
    told: list[str] = []
    with local_server(["--no-llm"], told.append) as url:
        assert url == "ws://127.0.0.1:4242/v1/stream"
        address = ["--host", "127.0.0.1", "--port", "0"]
        assert started[0].args[-6:] == [*address, "--stop-at-eof", "--no-llm"]
        assert started[0].poll() is None
    assert started[0].poll() is not None
    assert told == ["loading"]


@pytest.mark.parametrize(
    ("code", "message"),
    [(BROKEN, "did not start: the model is not installed"), (SILENT, "it said nothing")],
)
def test_a_server_that_does_not_start_is_told(stand_in: Any, code: str, message: str) -> None:
    stand_in(code)
    with pytest.raises(LocalServerError, match=message), local_server():
        pass


def test_a_server_that_does_not_stop_is_killed(
    stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_TIMEOUT_S", 0.2)
    started = stand_in(STUBBORN)
    with local_server():
        pass
    assert started[0].poll() is not None


def test_settings_of_other_commands_do_not_reach_it(
    stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_TOKEN", "secret")
    monkeypatch.setenv("STREAMER_CACHE", "/somewhere")
    stand_in(
        "import os; names = [n for n in os.environ if n.startswith('STREAMER_')]; "
        "print('http://' + ','.join(names) + '/', flush=True); import time; time.sleep(60)"
    )
    with local_server() as url:
        assert url == "ws://STREAMER_CACHE/v1/stream"


def test_who_is_interrupted_as_it_starts_is_not_kept_waiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, timeout=20, check=False
    )
    assert b"KeyboardInterrupt" in done.stderr
