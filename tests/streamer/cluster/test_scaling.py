"""How many replicas are wanted, and how loaded one is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamer.cluster.scaling import Load, LoadMeter, scale, wanted_replicas
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError
from streamer.server.stream_server import StreamServer
from tests.fakes import FakeEngine

IDLE = Load(places=0.0, cpu=0.0, lag_ms=0.0, refused=0.0)


def loaded(
    places: float = 0.0, cpu: float = 0.0, lag_ms: float = 0.0, refused: float = 0.0
) -> Load:
    return Load(places, cpu, lag_ms, refused)


@pytest.mark.parametrize(
    ("loads", "wanted"),
    [
        ([IDLE], 1),
        ([IDLE, IDLE, IDLE], 1),
        ([loaded(places=0.7)], 1),
        ([loaded(places=0.75)], 2),
        ([loaded(cpu=0.75)], 2),
        ([loaded(places=0.2, cpu=0.9), loaded(places=0.9, cpu=0.2)], 3),
        ([loaded(places=0.3), loaded(places=0.3)], 1),
        ([loaded(places=0.4), loaded(places=0.4)], 2),
        ([loaded(places=0.1, lag_ms=1_500.0)], 2),
        ([loaded(places=0.1, refused=0.2)], 2),
        ([loaded(refused=0.2), IDLE, IDLE], 4),
    ],
)
def test_what_hurts_most_decides(loads: list[Load], wanted: int) -> None:
    assert wanted_replicas(loads, 1) == wanted


def test_where_nobody_tells_nothing_changes() -> None:
    assert wanted_replicas([], 3) == 3


def test_serve_is_told_of_those_that_told_all() -> None:
    told = {"places": {"a": 0.9, "b": 0.9}, "cpu": {"a": 0.1, "b": 0.1}, "lag_ms": {"a": 0, "b": 0}}
    context = SimpleNamespace(
        aggregated_metrics={**told, "refused": {"a": 0.0}}, target_num_replicas=5
    )
    assert scale(context) == (2, {})
    assert scale(SimpleNamespace(aggregated_metrics=None, target_num_replicas=5)) == (5, {})


async def test_a_replica_measures_since_it_was_asked_last() -> None:
    server = StreamServer(FakeEngine(), ServerOptions(max_sessions=4))
    times = iter([(0.0, 10.0), (2.0, 13.0), (4.0, 13.0)])
    clock = {"now": 0.0, "cpu": 0.0}

    def tick() -> None:
        clock["now"], clock["cpu"] = next(times)

    tick()
    meter = LoadMeter(server, 2.0, lambda: clock["now"], lambda: clock["cpu"])
    places = [server.places.reserve() for _ in range(3)]
    tick()
    assert meter.load() == Load(places=0.75, cpu=0.75, lag_ms=0.0, refused=0.0)
    server.metrics.rejected.labels("too_many_sessions").inc(3)
    server.metrics.rejected.labels("unauthorized").inc(3)
    places[0].release()
    tick()
    assert meter.load() == Load(places=0.5, cpu=0.0, lag_ms=0.0, refused=1.5)
    with pytest.raises(ProtocolError):
        server.places.check(3)
    await server.close()
