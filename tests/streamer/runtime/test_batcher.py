import threading
from collections.abc import Iterator, Sequence

import pytest

from streamer.runtime.batcher import Batcher
from streamer.runtime.deadline_executor import EngineClosedError


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher(1, "model")
    yield batcher
    batcher.close()


class Gate:
    """A model that waits to be let go and keeps what it was asked at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def serve(self, requests: Sequence[int]) -> list[int]:
        self.entered.set()
        assert self.open.wait(10)
        self.batches.append(list(requests))
        return [request * 10 for request in requests]


def test_what_waits_goes_together_and_everyone_gets_its_own_answer(batcher: Batcher) -> None:
    gate = Gate()
    lane = batcher.lane(gate.serve, max_batch=3)
    futures = [lane.submit(0)]
    assert gate.entered.wait(10)
    futures += [lane.submit(i) for i in range(1, 6)]
    gate.open.set()
    assert [future.result(10) for future in futures] == [0, 10, 20, 30, 40, 50]
    assert gate.batches == [[0], [1, 2, 3], [4, 5]]


def test_the_lane_whose_request_waited_longest_is_served_first(batcher: Batcher) -> None:
    gate = Gate()
    served: list[str] = []

    def note(requests: Sequence[str]) -> list[None]:
        served.extend(requests)
        return [None] * len(requests)

    blocked, first, second = (
        batcher.lane(gate.serve),
        batcher.lane(note, max_batch=8),
        batcher.lane(note, max_batch=8),
    )
    blocked.submit(0)
    assert gate.entered.wait(10)
    futures = [second.submit("a"), first.submit("b"), second.submit("c"), first.submit("d")]
    gate.open.set()
    for future in futures:
        future.result(10)
    assert served == ["a", "c", "b", "d"]


def test_an_exclusive_lane_is_served_by_one_thread_at_a_time() -> None:
    batcher = Batcher(3, "model")
    inside = 0
    most = 0

    def serve(requests: Sequence[int]) -> list[int]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.005)
        inside -= 1
        return list(requests)

    lane = batcher.lane(serve, exclusive=True)
    assert [f.result(10) for f in [lane.submit(i) for i in range(20)]] == list(range(20))
    assert most == 1
    batcher.close()


def test_an_error_reaches_those_who_asked_and_nobody_else(batcher: Batcher) -> None:
    def divide(requests: Sequence[int]) -> list[float]:
        return [1 / request for request in requests]

    lane = batcher.lane(divide)
    with pytest.raises(ZeroDivisionError):
        lane.run(0)
    assert lane.run(2) == 0.5


def test_closing_answers_what_waits_and_refuses_more() -> None:
    batcher = Batcher(1, "model")
    gate = Gate()
    lane = batcher.lane(gate.serve, max_batch=2)
    futures = [lane.submit(i) for i in range(5)]
    gate.open.set()
    batcher.close()
    assert [future.result(0) for future in futures] == [0, 10, 20, 30, 40]
    with pytest.raises(EngineClosedError):
        lane.submit(6)


class Clock:
    """The time, in seconds, as the test says."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


HOUR_MS = 3_600_000


def test_the_oldest_waits_for_company_until_the_batch_is_full() -> None:
    batcher = Batcher(1, "model", wait_ms=HOUR_MS)
    gate = Gate()
    gate.open.set()
    lane = batcher.lane(gate.serve, max_batch=3, waits=True)
    others = batcher.lane(gate.serve)
    first = [lane.submit(1), lane.submit(2)]
    assert others.run(9) == 90  # nobody else is held up
    assert gate.batches == [[9]]
    assert lane.run(3) == 30
    assert [future.result(10) for future in first] == [10, 20]
    assert gate.batches == [[9], [1, 2, 3]]
    batcher.close()


def test_who_comes_within_the_wait_is_taken_along_and_nobody_waits_longer() -> None:
    clock = Clock()
    batcher = Batcher(1, "model", wait_ms=2, now=clock)
    gate = Gate()
    gate.open.set()
    lane = batcher.lane(gate.serve, max_batch=3, waits=True)
    # One thread: when another lane's request is answered, this lane was looked at.
    others = batcher.lane(gate.serve)
    first = lane.submit(1)
    clock.now_s += 0.0019
    second = lane.submit(2)
    others.run(9)
    assert gate.batches == [[9]]
    clock.now_s += 0.0002
    others.run(8)
    assert [first.result(10), second.result(10)] == [10, 20]
    assert gate.batches == [[9], [1, 2], [8]]
    # The next one's wait begins anew; alone, it ends all the same.
    alone = lane.submit(3)
    others.run(7)
    clock.now_s += 0.002
    others.run(6)
    assert alone.result(10) == 30
    assert gate.batches[3:] == [[7], [3], [6]]
    batcher.close()


def test_without_a_wait_the_oldest_goes_at_once() -> None:
    batcher = Batcher(1, "model", wait_ms=0, now=Clock())
    gate = Gate()
    gate.open.set()
    assert batcher.lane(gate.serve, max_batch=3, waits=True).run(1) == 10
    batcher.close()


def test_a_thread_that_sleeps_wakes_when_the_wait_is_over() -> None:
    batcher = Batcher(1, "model", wait_ms=1)
    gate = Gate()
    gate.open.set()
    assert batcher.lane(gate.serve, max_batch=3, waits=True).run(1) == 10
    batcher.close()


def test_closing_ends_the_wait() -> None:
    batcher = Batcher(1, "model", wait_ms=HOUR_MS)
    gate = Gate()
    gate.open.set()
    late = batcher.lane(gate.serve, max_batch=3, waits=True).submit(2)
    batcher.close()
    assert late.result(0) == 20


def test_an_answer_that_is_an_error_is_raised_for_its_request_alone() -> None:
    batcher = Batcher(1, "model")
    gate = Gate()

    def serve(requests: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if each % 20 else each for each in gate.serve(requests)]

    lane = batcher.lane(serve, max_batch=3)
    futures = [lane.submit(0)]
    assert gate.entered.wait(10)
    futures += [lane.submit(i) for i in (1, 2, 4)]
    gate.open.set()
    assert [futures[at].result(10) for at in (0, 2, 3)] == [0, 20, 40]
    with pytest.raises(ValueError, match="odd"):
        futures[1].result(10)
    batcher.close()
    assert gate.batches == [[0], [1, 2, 4]]
