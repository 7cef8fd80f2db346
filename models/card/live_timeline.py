"""Passes told as they end, on the card's clock, for a trace that is written while they run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from streamer.models.card.device import Card

Told = Callable[[str, str, int, int], None]
"""Takes queue, pass, and its start and end as `time.perf_counter_ns` counts."""


class LiveTimeline:
    """Of one queue. Nobody waits for the card: a pass is told when one that follows it is begun.
    Where there is no card, the machine's clock is taken."""

    def __init__(self, card: Card, told: Told) -> None:
        """Waits for the card once, to read both clocks at the same moment."""
        self._card, self._told = card, told
        self._running: deque[tuple[str, str, Any, Any]] = deque()
        with torch.cuda.device(card.device) if card.is_cuda else nullcontext():
            self._last = self.stamp()
            if card.is_cuda:
                self._last.synchronize()
        self._last_ns = time.perf_counter_ns()

    def stamp(self) -> Any:
        """A moment in the queue that is being filled."""
        if not self._card.is_cuda:
            return time.perf_counter_ns()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def add(self, queue: str, name: str, start: Any, end: Any) -> None:
        """A pass between two stamps; tells those that have ended."""
        self._running.append((queue, name, start, end))
        while self._running and self._has_ended(self._running[0][3]):
            queue, name, start, end = self._running.popleft()
            start_ns = self._ns(start)
            # From one stamp to the next: over hours, milliseconds would lose their fractions.
            self._last, self._last_ns = end, self._ns(end)
            self._told(queue, name, start_ns, self._last_ns)

    def _has_ended(self, end: Any) -> bool:
        return not self._card.is_cuda or bool(end.query())

    def _ns(self, stamp: Any) -> int:
        if not self._card.is_cuda:
            return int(stamp)
        return self._last_ns + round(1e6 * float(self._last.elapsed_time(stamp)))
