"""Where the time goes: percentiles of every stage, and spans for a Perfetto/Chrome trace.

Spans are stamped with `time.perf_counter_ns`, durations are milliseconds.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

logger = logging.getLogger(__name__)

STAGES: Final = ("receive", "dequeue", "vad", "encode", "emotion", "decode", "fuse", "emit")
"""receive: frame decoded, resampled and buffered; dequeue: a due step's wait for a thread;
vad … fuse: the models, as the recognizer reports them; emit: from an event to the socket."""


class SpanSink(Protocol):
    """Takes finished spans. May be called from any thread."""

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        """Record that `name` ran in `lane` (a row of the trace) between two
        `time.perf_counter_ns` stamps."""


class NullSpans:
    """A sink that keeps nothing."""

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        pass


@contextmanager
def span(sink: SpanSink, name: str, lane: str) -> Iterator[None]:
    """Record the block as one span, also if it raises."""
    start_ns = time.perf_counter_ns()
    try:
        yield
    finally:
        sink.add(name, lane, start_ns, time.perf_counter_ns())


@dataclass(frozen=True, slots=True)
class StagePercentiles:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float


class StageStats:
    """Rolling percentiles: each stage remembers its newest `window` durations.

    Not thread-safe; a session uses it on the event loop only.
    """

    def __init__(self, window: int = 1024) -> None:
        self._window = window
        self._durations_ms: dict[str, deque[float]] = {}

    def record(self, stage: str, duration_ms: float) -> None:
        durations = self._durations_ms.get(stage)
        if durations is None:
            durations = self._durations_ms[stage] = deque(maxlen=self._window)
        durations.append(duration_ms)

    def record_all(self, durations_ms: Mapping[str, float]) -> None:
        for stage, duration_ms in durations_ms.items():
            self.record(stage, duration_ms)

    def percentiles(self) -> dict[str, StagePercentiles]:
        """Of every stage that has run, in the order of `STAGES`, others behind."""
        order = {stage: i for i, stage in enumerate(STAGES)}
        stages = sorted(self._durations_ms, key=lambda stage: order.get(stage, len(order)))
        return {stage: _percentiles(self._durations_ms[stage]) for stage in stages}


def _percentiles(durations_ms: Iterable[float]) -> StagePercentiles:
    ordered = sorted(durations_ms)
    top = len(ordered) - 1
    # Nearest rank, rounded up: a percentile is a duration that was really seen.
    return StagePercentiles(*(ordered[-(-top * p // 100)] for p in (50, 95, 99)))


class LatencyTrace:
    """One session's stages: durations for its percentiles, spans for the trace file."""

    def __init__(self, spans: SpanSink | None = None) -> None:
        self.stats = StageStats()
        self._spans = spans if spans is not None else NullSpans()

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        """Pass a span on to the trace file. Any thread; the percentiles do not see it."""
        self._spans.add(name, lane, start_ns, end_ns)

    def stage(self, name: str, lane: str, start_ns: int, end_ns: int) -> float:
        """Record a stage in both; gives its duration in milliseconds. Event loop only."""
        self._spans.add(name, lane, start_ns, end_ns)
        duration_ms = (end_ns - start_ns) / 1e6
        self.stats.record(name, duration_ms)
        return duration_ms


class TraceWriter:
    """Writes spans of all sessions to one file that Perfetto and chrome://tracing open.

    The file is a JSON array of complete events; `close` ends it properly. Thread-safe. If the disk
    is full, the trace ends there, and the log says so: captions are worth more.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file cannot be written."""
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")
        self._file.write("[")
        self._written = 0
        self._sessions = 0
        self._origin_ns = time.perf_counter_ns()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def session(self, name: str) -> SpanSink:
        """A sink whose spans stand together under `name`, a row for each lane."""
        with self._lock:
            self._sessions += 1
            pid = self._sessions
            self._write({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}})
        return _SessionSpans(self, pid)

    def write_span(self, pid: int, tid: int, name: str, start_ns: int, end_ns: int) -> None:
        event = {
            "ph": "X",
            "name": name,
            "pid": pid,
            "tid": tid,
            "ts": (start_ns - self._origin_ns) / 1e3,
            "dur": (end_ns - start_ns) / 1e3,
        }
        with self._lock:
            self._write(event)

    def write_lane(self, pid: int, tid: int, lane: str) -> None:
        event = {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": lane}}
        with self._lock:
            self._write(event)

    def close(self) -> None:
        """End the array and the file; later spans are dropped. May be called twice."""
        with self._lock:
            if self._file.closed:
                return
            try:
                self._file.write("\n]\n")
                self._file.close()
            except OSError as error:
                self._give_up(error)

    def _write(self, event: Mapping[str, object]) -> None:
        if self._file.closed:  # a step that outlived the shutdown
            return
        try:
            self._file.write(",\n" if self._written else "\n")
            self._file.write(json.dumps(event))
        except OSError as error:
            self._give_up(error)
        self._written += 1

    def _give_up(self, error: OSError) -> None:
        logger.error("the trace cannot be written (%s): it ends here", error.strerror)
        with suppress(OSError):  # what is left in its buffer is lost, too
            self._file.close()


class _SessionSpans:
    """A `SpanSink` that numbers its lanes as they appear."""

    def __init__(self, writer: TraceWriter, pid: int) -> None:
        self._writer = writer
        self._pid = pid
        self._lanes: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        with self._lock:
            tid = self._lanes.get(lane)
            if tid is None:
                tid = self._lanes[lane] = len(self._lanes) + 1
                self._writer.write_lane(self._pid, tid, lane)
        self._writer.write_span(self._pid, tid, name, start_ns, end_ns)
