"""CPU time, by stage and by graph, of a recognizer that runs in this process.

The recognizer stamps its spans with `time.perf_counter_ns`. While `measured` is on, that clock
is the CPU clock of the thread that reads it: waiting for another thread costs nothing, and other
work on the machine does not count. Every call into ONNX Runtime becomes a span of its own, on
whatever thread it runs. Models must use one thread each.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnxruntime as ort

from streamer.models.moonshine.tokenizer import STEP_FILE


@dataclass(slots=True)
class Cost:
    """Of a part: CPU seconds without those of the parts inside, and how often it ran."""

    cpu_s: float = 0.0
    runs: int = 0
    dims: dict[str, list[int]] = field(default_factory=dict)
    """Of a graph: the sums over all runs of each input's dimensions."""

    def mean_shapes(self) -> dict[str, list[float]]:
        """Of each input, over all runs."""
        return {
            name: [round(dim / self.runs, 2) for dim in dims] for name, dims in self.dims.items()
        }


@dataclass(frozen=True, slots=True)
class _Span:
    thread: int
    name: str
    start_ns: int
    end_ns: int
    shapes: Mapping[str, tuple[int, ...]]


class CpuSpans:
    """A span sink that adds up what every part costs. Stamps are CPU time of the span's thread."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        # The LLM's lane stamps its spans on another thread than it tells of them; its graphs
        # are spans of their own.
        if lane != "llm":
            self.add_run(name, start_ns, end_ns, {})

    def add_run(
        self, name: str, start_ns: int, end_ns: int, shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        """A graph's run on inputs of these shapes."""
        self._spans.append(_Span(threading.get_ident(), name, start_ns, end_ns, shapes))

    def costs(self) -> dict[str, Cost]:
        """Of spans by their name, of graphs by their file: what each spends itself, without what
        runs inside it on the same thread."""
        found: dict[str, Cost] = defaultdict(Cost)
        around: list[_Span] = []
        for span in sorted(self._spans, key=lambda s: (s.thread, s.start_ns, -s.end_ns)):
            while around and not _holds(around[-1], span):
                around.pop()
            elapsed_s = (span.end_ns - span.start_ns) / 1e9
            cost = found[span.name]
            cost.cpu_s += elapsed_s
            cost.runs += 1
            for name, shape in span.shapes.items():
                sums = cost.dims.setdefault(name, [0] * len(shape))
                cost.dims[name] = [a + b for a, b in zip(sums, shape, strict=True)]
            if around:
                found[around[-1].name].cpu_s -= elapsed_s
            around.append(span)
        return dict(found)

    def covered_s(self, thread: int) -> float:
        """What all spans of a thread cover, each moment counted once."""
        covered_ns, until_ns = 0, 0
        for span in sorted(self._spans, key=lambda s: s.start_ns):
            if span.thread == thread:
                covered_ns += max(0, span.end_ns - max(span.start_ns, until_ns))
                until_ns = max(until_ns, span.end_ns)
        return covered_ns / 1e9


def _holds(outer: _Span, inner: _Span) -> bool:
    return outer.thread == inner.thread and inner.end_ns <= outer.end_ns


@contextmanager
def measured() -> Iterator[CpuSpans]:
    """Count CPU time for as long as the block lasts; give the sink to a recognizer made inside."""
    sink = CpuSpans()
    run = ort.InferenceSession.run

    def timed_run(
        session: ort.InferenceSession,
        outputs: list[str] | None,
        feed: Mapping[str, Any],
        *rest: Any,
    ) -> Any:
        start_ns = time.thread_time_ns()
        try:
            return run(session, outputs, feed, *rest)
        finally:
            end_ns = time.thread_time_ns()
            sink.add_run(_graph_name(session, feed), start_ns, end_ns, _shapes_of(feed))

    with (
        patch.object(time, "perf_counter_ns", time.thread_time_ns),
        patch.object(ort.InferenceSession, "run", timed_run),
    ):
        yield sink


def _graph_name(session: ort.InferenceSession, feed: Mapping[str, Any]) -> str:
    """The file's name; for the speech decoder also how it is used: over many tokens, over one,
    or over those of several hypotheses."""
    file = _file_of(session)
    if file != STEP_FILE:
        return file
    rows, length = feed["tokens"].shape
    return f"{file} ({'beam' if rows > 1 else 'verify' if length > 1 else 'extend'})"


def _file_of(session: ort.InferenceSession) -> str:
    """The name of a graph's file, which ONNX Runtime tells nowhere else."""
    return Path(str(session._model_path)).name  # noqa: SLF001


def _shapes_of(feed: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Of caches only the first layer's: the others are alike."""
    return {name: array.shape for name, array in feed.items() if "." not in name or ".0." in name}


@contextmanager
def operators() -> Iterator[dict[str, dict[str, float]]]:
    """Profile every ONNX Runtime session that is opened in the block.

    The dict is filled when the block ends: wall milliseconds by graph and operator. Profiling
    itself takes time, most from the smallest operators.
    """
    opened: list[ort.InferenceSession] = []
    found: dict[str, dict[str, float]] = {}
    opening = ort.InferenceSession.__init__
    with tempfile.TemporaryDirectory() as folder:

        def open_profiled(
            session: ort.InferenceSession, path: Any, options: Any = None, **rest: Any
        ) -> None:
            options = options or ort.SessionOptions()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / str(len(opened)))
            opened.append(session)
            opening(session, path, options, **rest)

        with patch.object(ort.InferenceSession, "__init__", open_profiled):
            yield found
        for session in opened:
            report = Path(session.end_profiling())
            times = found.setdefault(_file_of(session), {})
            for operator, elapsed_ms in _operator_times(report).items():
                times[operator] = times.get(operator, 0.0) + elapsed_ms


def _operator_times(report: Path) -> dict[str, float]:
    times: dict[str, float] = defaultdict(float)
    for event in json.loads(report.read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["args"]["op_name"]] += event["dur"] / 1000
    return dict(sorted(times.items(), key=lambda item: -item[1]))
