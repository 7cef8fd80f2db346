"""The bar beside the output: on a terminal only, and never in what a script reads. In a log it is
a line now and then."""

from __future__ import annotations

import io
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from streamer.cli.output.file_progress import file_progress


@contextmanager
def terminal(seen: list[str]) -> Iterator[TextIO]:
    """A real one; `seen` gets what it was sent."""
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as file:
        yield file
        file.flush()
        os.set_blocking(master, False)
        while True:
            try:
                seen.append(os.read(master, 65_536).decode())
            except BlockingIOError:
                break
    os.close(master)


def work() -> None:
    with file_progress("talk.mp3", 7_200.0) as progress:
        progress.reached(754.2)
        progress.write("a long line " * 20 + "\n")
        progress.write("[b]\n")


WRITTEN = "a long line " * 20 + "\n[b]\n"


def test_without_a_terminal_there_is_nothing_but_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    work()
    assert (out.getvalue(), err.getvalue()) == (WRITTEN, "")


def test_a_log_gets_a_line_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    times_s = iter([100.0, 110.0, 131.0, 135.0, 162.0])
    with file_progress("talk.mp3", 7_200.0, lambda: next(times_s)) as progress:
        for position_s in (50.0, 155.0, 170.0, 310.0):
            progress.reached(position_s)
    assert (
        err.getvalue() == "talk.mp3: 0:02:35 / 2:00:00, 5.0×\ntalk.mp3: 0:05:10 / 2:00:00, 5.0×\n"
    )
    assert out.getvalue() == ""


@pytest.mark.parametrize("piped", [True, False])
def test_a_terminal_shows_position_length_and_speed(
    monkeypatch: pytest.MonkeyPatch, piped: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    seen: list[str] = []
    out = io.StringIO()
    with terminal(seen) as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(sys, "stdout", out if piped else screen)
        work()
        monkeypatch.undo()
    shown = "".join(seen)
    assert "talk.mp3" in shown
    assert "0:12:34 / 2:00:00" in shown
    assert "×" in shown
    assert out.getvalue() == (WRITTEN if piped else "")
    assert ("a long line " * 20 + "\r\n" in shown) is not piped


def test_an_unknown_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    seen: list[str] = []
    with terminal(seen) as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        with file_progress("talk.mp3", None) as progress:
            progress.reached(1.0)
        monkeypatch.undo()
    assert "0:00:01 / ?" in "".join(seen)
