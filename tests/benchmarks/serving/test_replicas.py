"""Sessions against replicas: what is said of the rounds."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.replicas import draw, spoken, table
from tests.fakes import tone
from tests.serving import ServerThread


def test_those_who_speak_are_counted_and_shown() -> None:
    with ServerThread() as server:
        ended, cpu_s = spoken(server.http_url, [tone(1.2), tone(1.2)])
    assert [session.lost_samples for session in ended if session is not None] == [0, 0]
    assert cpu_s > 0
    shares = {"replicas": 0.5, "load_generators": 0.1, "proxy_and_ray": 0.1}
    lag = {"p50": 100.0, "p95": 300.0}
    one = {"sessions": 4, "lag_ms": lag, "lost_samples": 0, "share_of_the_cores": shares}
    results = {"1": {"sessions_carried": 4, "rounds": [one]}}
    assert table(results).row_count == 1
    assert len(draw(results, 1_000.0).axes) == 1
