"""Keeps a flood of the same log line from filling a disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable


class RepeatFilter(logging.Filter):
    """Lets one line of a kind pass a second, and says how many it held back.

    A kind is a logger, a level and a message before its arguments are put in. For a handler, so
    that all loggers share it.
    """

    def __init__(self, interval_s: float = 1.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._now = now
        self._kinds: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, record.levelno, str(record.msg))
        now_s = self._now()
        passed_s, held_back = self._kinds.get(kind, (-self._interval_s, 0))
        if now_s - passed_s < self._interval_s:
            self._kinds[kind] = passed_s, held_back + 1
            return False
        self._kinds[kind] = now_s, 0
        if held_back:
            record.msg = f"{record.getMessage()} ({held_back} more like this before)"
            record.args = ()
        self._forget(now_s)
        return True

    def _forget(self, now_s: float) -> None:
        """Messages that carry what differs in their text must not make the table grow."""
        if len(self._kinds) > 1_000:
            recent = {k: v for k, v in self._kinds.items() if now_s - v[0] < self._interval_s}
            self._kinds = recent if len(recent) <= 1_000 else {}


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
