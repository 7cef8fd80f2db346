"""Keeps a flood of the same log line from filling a disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable


class RepeatFilter(logging.Filter):
    """Lets one line of a kind pass a second, and says how many it held back.

    A kind is what one line of code logs at one level; a message may have been put together of what
    a peer sent, and differ at its will. For a handler, so that all loggers share it.
    """

    def __init__(self, interval_s: float = 1.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._now = now
        self._kinds: dict[tuple[str, int, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.pathname, record.lineno, record.levelno)
        now_s = self._now()
        passed_s, held_back = self._kinds.get(kind, (-self._interval_s, 0))
        if now_s - passed_s < self._interval_s:
            self._kinds[kind] = passed_s, held_back + 1
            return False
        self._kinds[kind] = now_s, 0
        if held_back:
            record.msg = f"{record.getMessage()} ({held_back} more like this before)"
            record.args = ()
        return True


def log_to_stderr() -> None:
    """For a program that has set up nothing: warnings, one of a kind a second."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.addFilter(RepeatFilter())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
