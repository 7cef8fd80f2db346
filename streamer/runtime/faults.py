"""How a fault of the program is told in the log: where it happened, and not a word of a client."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_MAX_PLACES: Final = 12


def fault_line(error: BaseException) -> str:
    """The type of an error and the places it came through, innermost first, in one line; then the
    same of the errors behind it. Messages are left out: they may hold what a client sent.
    """
    return ", because of ".join(_tell(one) for one in _chain(error))


def retrieved(task: asyncio.Task[Any]) -> None:
    """A callback for tasks that nobody may get to ask for their outcome: asyncio would log the
    errors of those with a traceback, and a client that leaves at the wrong moment is no fault."""
    if not task.cancelled():
        task.exception()


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    behind: BaseException | None = error
    while behind is not None and behind not in seen:
        seen.append(behind)
        yield behind
        behind = behind.__cause__


def _tell(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_PLACES:]
    places = [f"{'/'.join(Path(f.filename).parts[-2:])}:{f.lineno}" for f in reversed(frames)]
    return " < ".join([type(error).__name__, *places])
