from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from streamer.runtime.deadline_executor import DeadlineExecutor, EngineClosedError


def test_the_earliest_deadline_goes_first() -> None:
    executor = DeadlineExecutor(1, "test")
    blocked, release = threading.Event(), threading.Event()
    order: list[str] = []

    def block() -> None:
        blocked.set()
        release.wait(10)

    executor.submit(0.0, block)
    assert blocked.wait(10)
    for deadline, name in ((3.0, "late"), (1.0, "early"), (2.0, "middle"), (1.0, "early too")):
        executor.submit(deadline, partial(order.append, name))
    assert executor.queued == 4
    release.set()
    executor.close()
    assert order == ["early", "early too", "middle", "late"]


def test_close_finishes_what_is_queued_and_takes_no_more() -> None:
    executor = DeadlineExecutor(2, "test")
    done: list[int] = []
    for i in range(10):
        executor.submit(float(i), partial(done.append, i))
    executor.close()
    assert sorted(done) == list(range(10))
    with pytest.raises(EngineClosedError):
        executor.submit(0.0, lambda: None)
    executor.close()


async def test_run_gives_the_value_or_the_error() -> None:
    executor = DeadlineExecutor(1, "test")
    try:
        assert await executor.run(0.0, lambda: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await executor.run(0.0, lambda: 1 // 0)
    finally:
        executor.close()


async def test_a_cancelled_job_that_waits_is_never_run_and_one_that_runs_ends() -> None:
    executor = DeadlineExecutor(1, "test")
    blocked, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def block() -> None:
        blocked.set()
        release.wait(10)
        ran.append("running")

    running = asyncio.create_task(executor.run(0.0, block))
    await asyncio.to_thread(blocked.wait, 10)
    waiting = asyncio.create_task(executor.run(1.0, lambda: ran.append("waiting")))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    await asyncio.wait({running, waiting})
    release.set()
    await asyncio.to_thread(executor.close)
    assert ran == ["running"]
