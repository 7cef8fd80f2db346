"""A pool of threads shared by all sessions, earliest deadline first.

The session whose audio has waited longest goes first, so a chatty session cannot starve another.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class EngineClosedError(RuntimeError):
    """Work was offered to an engine that has been closed."""


class DeadlineExecutor:
    """A fixed pool of threads that always runs the job with the earliest deadline."""

    def __init__(self, threads: int, name: str) -> None:
        self._ready = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queued(self) -> int:
        """Jobs waiting for a thread."""
        return len(self._heap)

    def submit(self, deadline: float, job: Callable[[], None]) -> None:
        """Queue a job. It must handle its own exceptions.

        Raises:
            EngineClosedError: the executor has been closed.
        """
        with self._ready:
            if self._closed:
                raise EngineClosedError("the engine is shut down")
            heapq.heappush(self._heap, (deadline, next(self._order), job))
            self._ready.notify()

    async def run(self, deadline: float, job: Callable[[], T]) -> T:
        """Run `job` on a pool thread and wait for it. Cancelling does not stop a running job."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)  # type: ignore[arg-type]

        def work() -> None:
            if future.cancelled():
                return
            try:
                value = job()
            except BaseException as error:  # noqa: BLE001  handed to the waiting caller
                loop.call_soon_threadsafe(settle, None, error)
            else:
                loop.call_soon_threadsafe(settle, value, None)

        self.submit(deadline, work)
        return await future

    def close(self) -> None:
        """Finish what is queued and stop the threads."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._heap and not self._closed:
                    self._ready.wait()
                if not self._heap:
                    return
                _, _, job = heapq.heappop(self._heap)
            job()
            del job  # it holds a session, and the next one may be long in coming
