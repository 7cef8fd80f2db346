"""The cluster on paper loses nobody, and does what it is told to assume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.common import RESULTS
from benchmarks.serving.fleet import draw, measured_here, simulated, table
from benchmarks.serving.fleet_simulation import Fleet, Measured, Simulation

MEASURED = Measured(places=8, cpu_s_per_audio_s=0.15, proxy_s_a_message=0.001)
SMALL = Fleet(sessions=60, minutes=20, zone_lost_at_s=900.0)


def test_the_same_seed_gives_the_same() -> None:
    assert simulated(SMALL, MEASURED, 3) == simulated(SMALL, MEASURED, 3)
    assert simulated(SMALL, MEASURED, 3) != simulated(SMALL, MEASURED, 4)


def test_what_a_lost_zone_had_comes_back() -> None:
    told = simulated(SMALL, MEASURED, 1)
    assert told["cut"] > 0
    assert told["gave_up"] == 0
    assert 0 < told["back_after_lost_zone_s"]["p95"] < 120
    calm = simulated(replace(SMALL, zone_lost_at_s=1e9), MEASURED, 1)
    assert calm["back_after_lost_zone_s"] == {}


def test_the_mean_number_of_sessions_is_the_one_that_was_asked_for() -> None:
    told = simulated(replace(SMALL, sessions=600, zone_lost_at_s=1e9), MEASURED, 1)
    assert told["sessions"] == pytest.approx(600, rel=0.2)
    assert 0.5 < told["places_used"] <= 0.75


def test_where_machines_come_late_people_wait() -> None:
    late = replace(
        SMALL, sessions=300, machine_ready_s=1e9, replica_ready_s=300.0, spare_machines=0
    )
    one = Simulation(late, MEASURED, 1)
    one.run()
    assert max(one.waits_s) > 10 or one.given_up


def test_it_goes_by_what_was_measured() -> None:
    measured = measured_here(RESULTS)
    assert measured.places >= 1
    assert 0 < measured.proxy_s_a_message < 0.01
    assert 0 < measured.cpu_s_per_audio_s * measured.places < measured.cpus
    results = {"60": simulated(SMALL, measured, 0)}
    assert table(results).row_count == 1
    assert draw(results).axes
