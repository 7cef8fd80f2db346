"""A fixed-capacity buffer of audio, addressed by absolute sample index."""

from __future__ import annotations

import threading

import numpy as np

from streamer.audio.arrays import Floats


class RingBufferError(ValueError):
    """A range that the buffer does not hold (any more)."""


class RingBuffer:
    """The newest `capacity` samples of a stream that began at sample `start`.

    Every sample is stored twice, `capacity` apart, so that any range it holds lies in one piece
    and can be read without copying. One thread may write while another reads.
    """

    def __init__(self, capacity: int, start: int = 0) -> None:
        if capacity < 1:
            raise RingBufferError(f"capacity must be at least 1 sample, not {capacity}")
        self._capacity = capacity
        self._twice = np.zeros(2 * capacity, np.float32)
        self._first = self._end = start
        self._lock = threading.Lock()

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def end(self) -> int:
        """Absolute index behind the newest sample."""
        return self._end

    @property
    def start(self) -> int:
        """Absolute index of the oldest sample still held."""
        return max(self._first, self._end - self._capacity)

    def write(self, samples: Floats) -> int:
        """Append samples; the oldest give way. Gives the new `end`."""
        with self._lock:
            end = self._end + len(samples)
            kept = samples[-self._capacity :]
            at = (end - len(kept)) % self._capacity
            first = min(len(kept), self._capacity - at)
            for half in (0, self._capacity):
                self._twice[half + at : half + at + first] = kept[:first]
                self._twice[half : half + len(kept) - first] = kept[first:]
            self._end = end
            return end

    def view(self, start: int, end: int) -> Floats:
        """The samples `start … end` without copying, read-only.

        The view shows newer audio once `capacity - (end - start)` more samples have been
        written; use `read` for anything that outlives the call.

        Raises:
            RingBufferError: the range is empty the wrong way, not written yet or overwritten.
        """
        if not self.start <= start <= end <= self._end:
            raise RingBufferError(
                f"samples {start}…{end} are not held; the buffer holds {self.start}…{self._end}"
            )
        at = start % self._capacity
        view = self._twice[at : at + end - start]
        view.flags.writeable = False
        return view

    def read(self, start: int, end: int) -> Floats:
        """A copy of the samples `start … end`, consistent even while another thread writes.

        Raises:
            RingBufferError: as for `view`.
        """
        with self._lock:
            return self.view(start, end).copy()
