"""Places in memory that is set aside once. Who takes one gives it back by forgetting it."""

from __future__ import annotations

import threading
import weakref

from streamer.models.errors import NoRoomError


class NoSlotError(NoRoomError):
    """More segments are open than the card has memory for."""


class Slot:
    """A row of every pool."""

    def __init__(self, index: int) -> None:
        self.index = index


class Slots:
    """So many rows, and which of them are free. Safe for several threads."""

    def __init__(self, n_slots: int) -> None:
        self.n_slots = n_slots
        self.nobody = n_slots
        """A row behind them, for what is written to nobody."""
        self._free = list(range(n_slots))
        # While one is taken, the collector may find another that nobody holds, in the same thread.
        self._lock = threading.RLock()

    @property
    def n_free(self) -> int:
        return len(self._free)

    def check(self) -> None:
        """
        Raises:
            NoSlotError: all are taken.
        """
        if not self._free:
            raise NoSlotError(
                f"all {self.n_slots} places on the card are taken; allow more sessions "
                "(--max-sessions), or add a card"
            )

    def take(self) -> Slot:
        """A row, until nobody holds what stands for it.

        Raises:
            NoSlotError: all are taken.
        """
        with self._lock:
            self.check()
            slot = Slot(self._free.pop())
        weakref.finalize(slot, self._give_back, slot.index).atexit = False
        return slot

    def _give_back(self, index: int) -> None:
        with self._lock:
            self._free.append(index)
