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


def test_the_oldest_waits_for_company_until_the_batch_is_full(batcher: Batcher) -> None:
    gate = Gate()
    gate.open.set()
    lane = batcher.lane(gate.serve, max_batch=3, wait_ms=3_600_000)
    others = batcher.lane(gate.serve)
    first = [lane.submit(1), lane.submit(2)]
    assert others.run(9) == 90  # nobody else is held up
    assert gate.batches == [[9]]
    assert lane.run(3) == 30
    assert [future.result(10) for future in first] == [10, 20]
    assert gate.batches == [[9], [1, 2, 3]]


def test_who_waits_for_company_in_vain_is_served_all_the_same() -> None:
    batcher = Batcher(1, "model")
    gate = Gate()
    gate.open.set()
    assert batcher.lane(gate.serve, max_batch=3, wait_ms=1).run(1) == 10
    late = batcher.lane(gate.serve, max_batch=3, wait_ms=3_600_000).submit(2)
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
