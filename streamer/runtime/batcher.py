"""Threads that run models for all sessions; what waits for the same model runs together.

A session hands over one request and waits for its answer. A free thread takes the oldest request
and whatever else waits in its lane by then. So an idle machine answers at once, and a busy one gets
batches. Only where a batch costs hardly more than a single request, on a graphics card, the oldest
waits a few milliseconds for company.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from streamer.runtime.deadline_executor import EngineClosedError

Request = TypeVar("Request")
Answer = TypeVar("Answer")

WAIT_MS: Final = 2.0
"""For company, as a rule; a step asks three or four times."""


@dataclass(frozen=True)
class _Waiting:
    order: int
    due: float
    """When it has waited enough for company, on the batcher's clock."""
    request: Any
    future: Future[Any]


class Lane(Generic[Request, Answer]):
    """One model's queue; made by `Batcher.lane`."""

    def __init__(
        self,
        submit: Callable[[Lane[Request, Answer], Request], Future[Answer]],
        serve: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        max_batch: int,
        exclusive: bool,
        waits: bool,
    ) -> None:
        self.waits = waits
        self.serve = serve
        self.max_batch = max_batch
        self.exclusive = exclusive
        self.waiting: deque[_Waiting] = deque()
        self.busy = False
        self._submit = submit

    def submit(self, request: Request) -> Future[Answer]:
        """Queue a request.

        Raises:
            EngineClosedError: the batcher has been closed.
        """
        return self._submit(self, request)

    def run(self, request: Request) -> Answer:
        """Queue a request and wait for its answer; raises what the model raised."""
        return self.submit(request).result()


class Batcher:
    """A fixed number of threads that serve lanes, oldest request first."""

    def __init__(
        self,
        threads: int,
        name: str,
        *,
        wait_ms: float = WAIT_MS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            wait_ms: of a lane that waits: how long its oldest request does, at most.
            now: the time, in seconds.
        """
        self._wait_s = wait_ms / 1_000
        self._now = now
        self._ready = threading.Condition()
        self._lanes: list[Lane[Any, Any]] = []
        self._order = itertools.count()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def lane(
        self,
        serve: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        *,
        max_batch: int = 1,
        exclusive: bool = False,
        waits: bool = False,
    ) -> Lane[Request, Answer]:
        """Open a lane.

        Args:
            serve: answers up to `max_batch` requests, in their order. An answer that is an
                exception is raised for its request alone; one that is raised, for all of them.
            exclusive: never serve this lane on two threads at once.
            waits: the oldest request waits for others, unless the batch is full: for a model
                that takes hardly longer for many than for one.
        """
        lane = Lane(self._submit, serve, max_batch, exclusive, waits)
        with self._ready:
            self._lanes.append(lane)
        return lane

    def close(self) -> None:
        """Finish what is queued and stop the threads."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _submit(self, lane: Lane[Request, Answer], request: Request) -> Future[Answer]:
        future: Future[Answer] = Future()
        with self._ready:
            if self._closed:
                raise EngineClosedError("the engine is shut down")
            due = self._now() + (self._wait_s if lane.waits else 0.0)
            lane.waiting.append(_Waiting(next(self._order), due, request, future))
            self._ready.notify()
        return future

    def _next(self) -> tuple[Lane[Any, Any] | None, float | None]:
        """The servable lane whose request is the oldest; if there is none, in how many seconds one
        may be, as far as that is known."""
        now = self._now()
        open_lanes = [
            lane for lane in self._lanes if lane.waiting and not (lane.exclusive and lane.busy)
        ]
        due = [
            lane
            for lane in open_lanes
            if self._closed or len(lane.waiting) >= lane.max_batch or lane.waiting[0].due <= now
        ]
        if due:
            return min(due, key=lambda lane: lane.waiting[0].order), None
        return None, min((lane.waiting[0].due - now for lane in open_lanes), default=None)

    def _work(self) -> None:
        while True:
            with self._ready:
                while True:
                    lane, wait_s = self._next()
                    if lane is not None:
                        break
                    if self._closed and not any(lane.waiting for lane in self._lanes):
                        return
                    self._ready.wait(wait_s)
                batch = [
                    lane.waiting.popleft() for _ in range(min(lane.max_batch, len(lane.waiting)))
                ]
                lane.busy = True
            self._serve(lane, batch)
            del batch  # it holds somebody's sound, and the next one may be long in coming
            with self._ready:
                lane.busy = False
                self._ready.notify_all()

    @staticmethod
    def _serve(lane: Lane[Any, Any], batch: Sequence[_Waiting]) -> None:
        try:
            answers = lane.serve([waiting.request for waiting in batch])
        except BaseException as error:  # noqa: BLE001  handed to the waiting sessions
            for waiting in batch:
                waiting.future.set_exception(error)
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if isinstance(answer, Exception):
                    waiting.future.set_exception(answer)
                else:
                    waiting.future.set_result(answer)


def call_each(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """For lanes whose requests are calls, answered one by one."""
    return [call() for call in calls]
