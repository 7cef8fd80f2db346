"""How far a command is in a recording: a bar for people, nothing for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

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


class FileProgress:
    """Writes to standard output without tearing the bar."""

    def __init__(self, progress: Progress | None, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def write(self, text: str) -> None:
        """To standard output, at once."""
        if self._progress is not None and not self._progress.console.stderr:
            self._progress.console.out(text, end="", highlight=False)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()

    def reached(self, position_s: float) -> None:
        """So much of the audio is done."""
        if self._progress is not None:
            self._progress.update(self._task, completed=position_s)


@contextmanager
def file_progress(name: str, length_s: float | None) -> Iterator[FileProgress]:
    """Show the bar while the block runs, if standard error is a terminal; its end stays there.

    Args:
        length_s: of the audio; None if that is not known.
    """
    if not sys.stderr.isatty():
        yield FileProgress(None, TaskID(0))
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
        yield FileProgress(progress, progress.add_task(name, total=length_s))


class _Position(ProgressColumn):
    """Audio heard, of all there is."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else _clock(task.total)
        return Text(f"{_clock(task.completed)} / {total}")


class _Speed(ProgressColumn):
    """Seconds of audio a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed / task.elapsed:.1f}×" if task.elapsed else "")


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
