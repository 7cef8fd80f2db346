"""What the stages of one session's steps take."""

from __future__ import annotations

import threading

from streamer.runtime.tracing import SpanSink


class StageTimes:
    """A `SpanSink` that adds up each stage's time on the way to the trace. What runs on threads of
    its own, LLM and emotion classifier, reports here too."""

    def __init__(self, spans: SpanSink) -> None:
        self._spans = spans
        self._lock = threading.Lock()
        self._elapsed_ms: dict[str, float] = {}

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        """See `SpanSink`."""
        self._spans.add(name, lane, start_ns, end_ns)
        with self._lock:
            elapsed_ms = self._elapsed_ms.get(name, 0.0)
            self._elapsed_ms[name] = elapsed_ms + (end_ns - start_ns) / 1e6

    def take(self) -> dict[str, float]:
        """Milliseconds by stage since the last call."""
        with self._lock:
            taken, self._elapsed_ms = self._elapsed_ms, {}
        return taken
