from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from streamer.runtime.metrics import ServerMetrics, exposition
from tests.fakes import FakeEngine


def test_every_server_counts_for_itself() -> None:
    engine = FakeEngine()
    one, other = ServerMetrics(engine.executor), ServerMetrics(engine.executor)
    one.words.inc(3)
    assert b"streamer_words_committed_total 3.0" in one.render()
    assert b"streamer_words_committed_total 0.0" in other.render()
    engine.close()


def test_stages_and_queue_depth_show() -> None:
    engine = FakeEngine(start=False)
    metrics = ServerMetrics(engine.executor)
    metrics.observe_stages({"encode": 20.0})
    engine.executor.submit(0.0, lambda: None)
    text = metrics.render().decode()
    assert 'streamer_stage_seconds_sum{stage="encode"} 0.02' in text
    assert "streamer_queue_depth 1.0" in text


def test_several_servers_are_told_apart() -> None:
    engine = FakeEngine()
    servers = [ServerMetrics(engine.executor, name) for name in ("a", "b")]
    servers[1].words.inc(3)
    servers[0].lag.observe(0.2)
    texts = [server.render().decode() for server in servers]
    assert 'streamer_words_committed_total{replica="b"} 3.0' in texts[1]
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    together = exposition(families).decode()
    for text in texts:
        assert set(text.splitlines()) <= set(together.splitlines())
    assert together.count("# TYPE streamer_lag_seconds histogram") == 1
    assert 'streamer_lag_seconds_bucket{le="0.2",replica="a"} 1.0' in together
    engine.close()
