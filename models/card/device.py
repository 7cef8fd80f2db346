"""A graphics card as the models see it: number format, streams, and passes of fixed shapes.

A pass is a function of one array of 32-bit words and of sizes. Sizes come from a few buckets, so
that on CUDA a pass is captured once for each and then replayed as a graph: one copy to the card,
one launch. Elsewhere the function is just called.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.models.errors import NoRoomError
from streamer.models.onnx.runtime import DeviceUnavailableError, require_torch_device
from streamer.models.staging import sent

logger = logging.getLogger(__name__)

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Words = npt.NDArray[np.int32]
Sizes = tuple[int, ...]
Pass = Callable[..., Tensor]

ROWS: Final = (1, 4, 16, 32, 64, 128, 256)
"""Buckets of sessions that share a pass."""
EAGER_RUNS: Final = 2
"""A pass is captured when it has run so often: rare sizes are not worth the memory of a graph, and
the first run loads kernels, which cannot be captured."""
_MAX_GRAPHS: Final = 256


def bucket(buckets: Sequence[int], n: int) -> int:
    """The smallest that holds `n`.

    Raises:
        ValueError: none does.
    """
    at = bisect_left(buckets, n)
    if at == len(buckets):
        raise ValueError(f"{n} is more than a pass can hold ({buckets[-1]})")
    return buckets[at]


def in_parts(
    run: Callable[[Sequence[Request]], list[Answer]], requests: Sequence[Request], most: int
) -> list[Answer]:
    """Serve all, at most so many at once; half as many where the card's memory does not suffice.
    To be used for what may be run again.

    Raises:
        NoRoomError: it does not suffice for one alone.
    """
    answers: list[Answer] = []
    for answer in in_parts_or_fail(run, requests, most):
        if isinstance(answer, NoRoomError):
            raise answer
        answers.append(answer)
    return answers


def in_parts_or_fail(
    run: Callable[[Sequence[Request]], list[Answer]], requests: Sequence[Request], most: int
) -> list[Answer | NoRoomError]:
    """As `in_parts`; where the memory does not suffice for one alone, its answer is the error, and
    the others have theirs."""
    if not requests:
        return []
    if len(requests) > most:
        parts = [requests[at : at + most] for at in range(0, len(requests), most)]
        return [answer for part in parts for answer in in_parts_or_fail(run, part, most)]
    try:
        return [*run(requests)]
    except torch.OutOfMemoryError:
        # What the failed pass had on the card is held by its frames: they go with the exception.
        pass
    if len(requests) < 2:
        return [
            NoRoomError(
                "the graphics card has no memory left for this session; allow fewer "
                "(--max-sessions), or choose smaller models"
            )
        ]
    logger.warning("the card is short of memory: %d requests are halved", len(requests))
    return in_parts_or_fail(run, requests, (len(requests) + 1) // 2)


class Card:
    """A device by name: `cpu`, `cuda` or `cuda:1`."""

    def __init__(self, device: str, dtype: torch.dtype | None = None) -> None:
        """
        Args:
            dtype: of weights and caches; None: half precision on a GPU, single elsewhere.

        Raises:
            DeviceUnavailableError: the device is not usable; the message says why.
        """
        require_torch_device(device)
        self.device = torch.device(device)
        self.is_cuda = self.device.type == "cuda"
        self.dtype = dtype or (torch.float16 if self.is_cuda else torch.float32)

    def place(self, values: Any, dtype: torch.dtype | None = None) -> Tensor:
        """A copy of an array here, in the card's number format unless another is named.

        Raises:
            DeviceUnavailableError: there is no memory left for it.
        """
        with self.fitting("the models"):
            return torch.tensor(np.asarray(values), device=self.device, dtype=dtype or self.dtype)

    @contextmanager
    def fitting(self, what: str) -> Iterator[None]:
        """For what is allocated while loading.

        Raises:
            DeviceUnavailableError: it does not fit.
        """
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise DeviceUnavailableError(
                f"{what} do not fit into the memory of {self.device}; allow fewer sessions "
                "(--max-sessions), choose smaller models, or another --device"
            ) from error

    def free_bytes(self) -> int | None:
        """Of the card's memory; None elsewhere."""
        return torch.cuda.mem_get_info(self.device)[0] if self.is_cuda else None

    def wait(self) -> None:
        """For what was copied to the card: queues do not wait for that."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def queue(self, name: str = "") -> Queue:
        """A stream of its own."""
        return Queue(self, name)


class Stamps(Protocol):
    """Where passes are written down."""

    def stamp(self) -> Any:
        """A moment in the queue that is being filled."""

    def add(self, queue: str, name: str, start: Any, end: Any) -> None:
        """A pass between two of them."""


class Timeline:
    """When passes run on the card, by its own clock; where there is none, by the machine's."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._spans: list[tuple[str, str, Any, Any]] = []
        if card.is_cuda:
            torch.cuda.synchronize(card.device)
        self._origin = self.stamp()

    def stamp(self) -> Any:
        """A moment in the queue that is being filled."""
        if not self._card.is_cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def add(self, queue: str, name: str, start: Any, end: Any) -> None:
        self._spans.append((queue, name, start, end))

    def spans(self) -> list[tuple[str, str, float, float]]:
        """Queue, pass, start and end in milliseconds, of all passes so far. Waits for the card."""
        if self._card.is_cuda:
            torch.cuda.synchronize(self._card.device)
        return [(q, name, self._ms(start), self._ms(end)) for q, name, start, end in self._spans]

    def _ms(self, stamp: Any) -> float:
        if self._card.is_cuda:
            return float(self._origin.elapsed_time(stamp))
        return 1e3 * float(stamp - self._origin)


class Queue:
    """Passes that run one after the other, beside those of other queues. Calls from several threads
    wait for each other."""

    def __init__(self, card: Card, name: str = "") -> None:
        self.card = card
        self.name = name
        self.timeline: Stamps | None = None
        """Where passes are written down; None: nowhere."""
        self._lock = threading.RLock()
        self._stream = _stream(card) if card.is_cuda else None
        self._graphs: dict[tuple[Pass, Sizes], _Graph] = {}
        self._runs: dict[tuple[Pass, Sizes], int] = {}
        self._memory: Any = torch.cuda.graph_pool_handle() if card.is_cuda else None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Several passes with nobody else's between them."""
        with self._lock, torch.inference_mode():
            if self._stream is None:
                yield
            else:
                with torch.cuda.device(self.card.device), torch.cuda.stream(self._stream):
                    yield

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """A pass of this name within a turn, written down when it has been handed over."""
        timeline = self.timeline
        start = None if timeline is None else timeline.stamp()
        yield
        if timeline is not None:
            timeline.add(self.name, name, start, timeline.stamp())

    def run(self, function: Pass, words: Words, *sizes: int) -> Tensor:
        """`function(words, *sizes)` on the card. Does not wait for it; what it gives is valid until
        the next pass of these sizes."""
        with self.turn(), self.noted(function.__qualname__):
            if self._stream is None:
                return function(sent(words, self.card.device), *sizes)
            return self._run_on_cuda(function, words, sizes)

    def warm_up(self, function: Pass, words: Words, *sizes: int) -> None:
        """Capture a pass before anybody waits for it; `words` name nobody. One that the card has no
        memory for is left out."""
        try:
            for _ in range(EAGER_RUNS + 1):
                self.run(function, words, *sizes)
        except torch.OutOfMemoryError:
            logger.info("the card has no memory for %d rows of %s", sizes[0], sizes[1:])

    def read(self, function: Pass, words: Words, *sizes: int) -> npt.NDArray[Any]:
        """As `run`, and wait for what it gives."""
        with self.turn():
            array: npt.NDArray[Any] = self.run(function, words, *sizes).cpu().numpy()
            return array

    def _run_on_cuda(self, function: Pass, words: Words, sizes: Sizes) -> Tensor:
        key = (function, sizes)
        graph = self._graphs.get(key)
        if graph is not None:
            return graph.replay(words)
        runs = self._runs[key] = self._runs.get(key, 0) + 1
        if runs > EAGER_RUNS and len(self._graphs) < _MAX_GRAPHS:
            graph = self._graphs[key] = _Graph(function, words, sizes, self.card, self._memory)
            return graph.replay(words)
        return function(sent(words, self.card.device), *sizes)


def _stream(card: Card) -> torch.cuda.Stream:
    return torch.cuda.Stream(card.device)  # type: ignore[no-untyped-call]


class _Graph:
    """A captured pass, and the memory that its input lies in."""

    def __init__(self, function: Pass, words: Words, sizes: Sizes, card: Card, memory: Any) -> None:
        # What this captures must be valid: it is run on whatever the input holds.
        self._input = sent(words, card.device)
        self._graph = torch.cuda.CUDAGraph()
        # What a thread needs to compute at all cannot be made while it captures.
        function(self._input, *sizes)
        # Not by `torch.cuda.graph`: that waits for all other queues, which may be capturing too.
        self._graph.capture_begin(pool=memory, capture_error_mode="thread_local")
        try:
            self._output = function(self._input, *sizes)
        finally:
            self._graph.capture_end()

    def replay(self, words: Words) -> Tensor:
        sent(words, self._input.device, into=self._input)
        self._graph.replay()
        return self._output
