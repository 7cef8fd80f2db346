"""What Ray Serve costs: the measuring of it."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.cluster import draw, measured, table
from tests.serving import ServerThread


def test_a_messages_way_is_measured_and_shown() -> None:
    with ServerThread() as server:
        told = measured(server.http_url, [1, 3], 0.3)
        assert server.sample("streamer_errors_total", code="already_started") >= 8
    assert list(told) == ["1", "3"]
    assert all(0 < ms["p50"] <= ms["p95"] for ms in told.values())
    results = {"round_trip_ms": {"direct": told}}
    assert table(results).row_count == 2
    assert len(draw(results).axes) == 1
