from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from streamer.runtime.tracing import (
    LatencyTrace,
    SpanSink,
    StagePercentiles,
    StageStats,
    TraceWriter,
    span,
)


def test_percentiles_are_durations_that_were_seen() -> None:
    stats = StageStats()
    for duration in range(1, 101):
        stats.record("encode", float(duration))
    assert stats.percentiles()["encode"] == StagePercentiles(51.0, 96.0, 100.0)


def test_one_duration_is_every_percentile() -> None:
    stats = StageStats()
    stats.record_all({"decode": 3.0, "receive": 1.0, "other": 2.0})
    assert list(stats.percentiles()) == ["receive", "decode", "other"]
    assert stats.percentiles()["decode"] == StagePercentiles(3.0, 3.0, 3.0)


def test_old_durations_roll_out() -> None:
    stats = StageStats(window=10)
    for duration in [1000.0] * 50 + [1.0] * 10:
        stats.record("vad", duration)
    assert stats.percentiles()["vad"].p99 == 1.0


def test_a_stage_counts_and_leaves_a_span(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with TraceWriter(path) as writer:
        trace = LatencyTrace(writer.session("abc"))
        assert trace.stage("receive", "net", 1_000_000, 3_000_000) == 2.0
        with pytest.raises(ZeroDivisionError), span(trace, "encode", "asr"):
            raise ZeroDivisionError
        trace.add("decode", "asr", 0, 1)
    assert list(trace.stats.percentiles()) == ["receive"]
    events = json.loads(path.read_text())
    spans = [event for event in events if event["ph"] == "X"]
    assert [event["name"] for event in spans] == ["receive", "encode", "decode"]
    assert spans[0]["dur"] == 2000.0
    assert spans[0]["pid"] == spans[1]["pid"]
    assert spans[0]["tid"] != spans[1]["tid"] == spans[2]["tid"]
    names = [event["args"]["name"] for event in events if event["ph"] == "M"]
    assert names == ["abc", "net", "asr"]


def test_a_trace_without_a_file_keeps_the_percentiles() -> None:
    trace = LatencyTrace()
    trace.stage("emit", "emit", 0, 1_000_000)
    trace.add("encode", "asr", 0, 1)
    assert trace.stats.percentiles()["emit"].p50 == 1.0


def test_many_threads_write_one_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    writer = TraceWriter(path)
    sinks = [writer.session(f"session {i}") for i in range(4)]

    def work(sink: SpanSink, lane: str) -> None:
        for i in range(100):
            sink.add(f"step {i}", lane, i, i + 1)

    threads = [
        threading.Thread(target=work, args=(sink, f"lane {i % 2}"))
        for i, sink in enumerate(sinks * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    writer.close()
    sinks[0].add("late", "lane 0", 0, 1)  # a step that outlives the server
    events = json.loads(path.read_text())
    assert len([event for event in events if event["ph"] == "X"]) == 800


def test_an_empty_trace_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    TraceWriter(path).close()
    assert json.loads(path.read_text()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_ends_the_trace_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    writer = TraceWriter(Path("/dev/full"))
    spans = writer.session("one")
    for number in range(1_000):
        spans.add("encode", "asr", number, number + 1)
    writer.close()
    writer.close()
    assert caplog.text.count("the trace cannot be written") == 1
