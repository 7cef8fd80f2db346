"""ctrl-C, where it is how a recording ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """A radio has no end of its own: while the block runs, the first ctrl-C calls `stop`, so that
    what was heard becomes final. The second one interrupts as usual."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
