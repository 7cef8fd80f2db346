from __future__ import annotations

from streamer.runtime.metrics import ServerMetrics
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
