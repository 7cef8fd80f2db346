"""How far a command is in a recording: a bar for people; in a log, a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_EVERY_S: Final = 30.0
"""Where there is no bar. What is done sooner says nothing at all."""


class FileProgress(Protocol):
    """What a command tells of its way through a recording."""

    def write(self, text: str) -> None:
        """To standard output, at once."""

    def reached(self, position_s: float) -> None:
        """So much of the audio is done."""


class _Lines:
    """For a log."""

    def __init__(self, name: str, length_s: float | None, clock: Callable[[], float]) -> None:
        self._name, self._length_s = name, length_s
        self._clock = clock
        self._begun_s = self._told_s = clock()

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def reached(self, position_s: float) -> None:
        now_s = self._clock()
        if now_s - self._told_s < _LINE_EVERY_S:
            return
        self._told_s = now_s
        speed = f"{position_s / (now_s - self._begun_s):.1f}×"
        place = f"{_clock(position_s)} / {_length(self._length_s)}"
        sys.stderr.write(f"{self._name}: {place}, {speed}\n")
        sys.stderr.flush()


class _Bar:
    """Writes to standard output without tearing the bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def write(self, text: str) -> None:
        if not self._progress.console.stderr:
            self._progress.console.out(text, end="", highlight=False)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()

    def reached(self, position_s: float) -> None:
        self._progress.update(self._task, completed=position_s)


@contextmanager
def file_progress(
    name: str, length_s: float | None, clock: Callable[[], float] = time.monotonic
) -> Iterator[FileProgress]:
    """Show the bar while the block runs, if standard error is a terminal; its end stays there.
    Elsewhere a line is written every half minute.

    Args:
        length_s: of the audio; None if that is not known.
        clock: seconds.
    """
    if not sys.stderr.isatty():
        yield _Lines(name, length_s, clock)
        return
    # Where both are the terminal, one console must draw both.
    console = Console(stderr=not sys.stdout.isatty())
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Position(),
        _Speed(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, redirect_stdout=False) as progress:
        yield _Bar(progress, progress.add_task(name, total=length_s))


class _Position(ProgressColumn):
    """Audio heard, of all there is."""

    def render(self, task: Task) -> Text:
        return Text(f"{_clock(task.completed)} / {_length(task.total)}")


class _Speed(ProgressColumn):
    """Seconds of audio a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed / task.elapsed:.1f}×" if task.elapsed else "")


def _length(seconds: float | None) -> str:
    return "?" if seconds is None else _clock(seconds)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
