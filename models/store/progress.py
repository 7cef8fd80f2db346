"""How far something long has come: a line every few seconds, for terminals and logs alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Reached = Callable[[float], None]
"""Takes the fraction of the work that is done, 0 to 1."""

_LINE_EVERY_S: Final = 2.0


class Progress:
    """Tells of one piece of work; what is over within two seconds has only a beginning."""

    def __init__(
        self, what: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            what: is done, as in "converting the LLM".
            clock: seconds.
        """
        self._what, self._say, self._clock = what, say, clock
        self._begun_s = self._told_s = clock()
        say(f"{what}, this once")

    def reached(self, fraction: float) -> None:
        """So much is done, of 1."""
        now_s = self._clock()
        if now_s - self._told_s >= _LINE_EVERY_S:
            self._told_s = now_s
            self._say(f"{self._what}: {fraction:.0%} after {now_s - self._begun_s:.0f} s")


def part(reached: Reached, begin: float, end: float) -> Reached:
    """For a part of the work, from one fraction of the whole to another."""
    return lambda fraction: reached(begin + (end - begin) * fraction)
