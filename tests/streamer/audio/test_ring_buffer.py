from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streamer.audio.ring_buffer import RingBuffer, RingBufferError


class RingBufferAgainstList(RuleBasedStateMachine):
    """The buffer beside a list of everything ever written."""

    @initialize(capacity=st.integers(1, 40))
    def make(self, capacity: int) -> None:
        self.ring = RingBuffer(capacity)
        self.written: list[float] = []

    @rule(n_samples=st.integers(0, 100))
    def write(self, n_samples: int) -> None:
        first = len(self.written)
        samples = np.arange(first, first + n_samples, dtype=np.float32)
        self.written.extend(samples.tolist())
        assert self.ring.write(samples) == len(self.written)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(self.ring.start, self.ring.end))
        end = data.draw(st.integers(start, self.ring.end))
        assert self.ring.read(start, end).tolist() == self.written[start:end]
        assert self.ring.view(start, end).tolist() == self.written[start:end]

    @rule(data=st.data())
    def ask_for_what_is_not_held(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(-5, self.ring.end + 5))
        end = data.draw(st.integers(-5, self.ring.end + 5))
        if self.ring.start <= start <= end <= self.ring.end:
            return
        with pytest.raises(RingBufferError, match="not held"):
            self.ring.read(start, end)

    @invariant()
    def holds_the_newest(self) -> None:
        assert self.ring.end == len(self.written)
        assert self.ring.end - self.ring.start == min(len(self.written), self.ring.capacity)


TestRingBufferAgainstList = RingBufferAgainstList.TestCase
TestRingBufferAgainstList.settings = settings(max_examples=60, stateful_step_count=30)


def test_a_view_copies_nothing_and_cannot_be_written() -> None:
    ring = RingBuffer(8)
    ring.write(np.arange(13, dtype=np.float32))
    view = ring.view(5, 13)  # wraps round in the storage
    assert np.shares_memory(view, ring._twice)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1.0
    ring.write(np.arange(13, 14, dtype=np.float32))
    assert ring.view(6, 14).tolist() == [6, 7, 8, 9, 10, 11, 12, 13]  # still writable inside


def test_a_copy_outlives_newer_audio_and_a_view_does_not() -> None:
    ring = RingBuffer(4)
    ring.write(np.arange(4, dtype=np.float32))
    view, copy = ring.view(0, 4), ring.read(0, 4)
    ring.write(np.arange(4, 8, dtype=np.float32))
    assert copy.tolist() == [0, 1, 2, 3]
    assert view.tolist() == [4, 5, 6, 7]


def test_a_buffer_holds_at_least_one_sample() -> None:
    with pytest.raises(RingBufferError, match="at least 1"):
        RingBuffer(0)


def test_reads_beside_a_writer_are_never_torn() -> None:
    ring = RingBuffer(1_000)
    total = 200_000

    def write() -> None:
        for first in range(0, total, 137):
            ring.write(np.arange(first, min(first + 137, total), dtype=np.float32))

    writer = threading.Thread(target=write)
    writer.start()
    n_read = 0
    while writer.is_alive() or n_read == 0:
        end = ring.end
        start = max(0, end - 500)
        try:
            got = ring.read(start, end)
        except RingBufferError:  # the writer was quicker
            continue
        np.testing.assert_array_equal(got, np.arange(start, end, dtype=np.float32))
        n_read += 1
    writer.join()
