"""A cluster on paper, up to a hundred thousand sessions at once: what it needs, who waits, what it
costs, what a lost zone does, and what grows faster than the sessions.

What a replica carries is measured (`load.json`); what is assumed is published with the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    OutOption,
    SeedOption,
    figure,
    percentiles,
    run,
    style,
    write_result,
)
from benchmarks.serving.fleet_simulation import WARM_S, Fleet, Measured, Simulation

_SIZES: Final = (100, 1_000, 10_000, 100_000)


def measured_here(results: Path) -> Measured:
    """A server with the LLM and without the second listener, as `load.json` tells; the proxy at
    most connections, as `cluster.json` does."""

    def read(name: str) -> Any:
        return json.loads((results / name).read_text(encoding="utf-8"))["results"]

    told = read("load.json")["llm"]
    *_, proxied = read("cluster.json")["round_trip_ms"]["through the proxy"].values()
    places = told["sessions_carried"]
    (full,) = (one for one in told["rounds"] if one["sessions"] == places)
    proxy_s = proxied["proxy_cpu_ms_a_message"] / 1000
    return Measured(places, full["cpu_s_per_audio_s"], proxy_s)


def simulated(fleet: Fleet, measured: Measured, seed: int) -> dict[str, Any]:
    """What is told of one size."""
    one = Simulation(fleet, measured, seed)
    one.run()
    told_s = fleet.minutes * 60.0 - WARM_S
    machines = one.machine_s / told_s
    hours = one.session_s / 3600

    def busy(messages_a_second: float) -> float:
        return round(messages_a_second * measured.proxy_s_a_message, 2)

    busiest = max(n for second, n in one.admissions.items() if second > WARM_S)
    return {
        "sessions": round(one.session_s / told_s),
        "replicas": {"mean": round(one.replica_s / told_s, 1), "most": one.most_replicas},
        "machines": {"mean": round(machines, 1), "most": one.most_machines},
        "places_used": round(one.session_s / (one.replica_s * measured.places), 3),
        "wait_s": percentiles(one.waits_s, (50, 95, 99)),
        "waited_a_second_share": round(sum(s > 1 for s in one.waits_s) / len(one.waits_s), 4),
        "gave_up": one.given_up,
        "moved": one.moved,
        "cut": one.cut,
        "back_after_lost_zone_s": percentiles(one.back_after_s, (50, 95, 99)),
        "admissions_a_second": {
            "busiest": busiest,
            "a_machine": round(busiest / one.most_machines, 2),
        },
        "proxy_busy": {
            "all_through_it": busy(hours * 3600 / one.machine_s * fleet.messages_a_second),
            "busiest_admission": busy(busiest / one.most_machines * fleet.messages_to_begin),
        },
        "statistics_a_second": round(one.most_replicas * one.most_machines),
        "price_a_session_hour": round(
            one.machine_s / 3600 * fleet.machine_cpus * fleet.price_cpu_hour / hours, 4
        ),
    }


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="A cluster on paper")
    for column in (
        "sessions",
        "replicas",
        "machines",
        "places used",
        "waited > 1 s",
        "wait p99 s",
        "gave up",
        "zone lost: back p95 s",
        "statistics/s",
        "a session hour",
    ):
        shown.add_column(column, justify="right")
    for size, told in results.items():
        shown.add_row(
            size,
            str(told["replicas"]["most"]),
            str(told["machines"]["most"]),
            f"{told['places_used']:.0%}",
            f"{told['waited_a_second_share']:.2%}",
            str(told["wait_s"].get("p99")),
            str(told["gave_up"]),
            str(told["back_after_lost_zone_s"].get("p95")),
            f"{told['statistics_a_second']:,}",
            str(told["price_a_session_hour"]),
        )
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """What grows with the sessions, and how."""
    picture = figure(11, 4.2)
    needs, waits = picture.subplots(1, 2)
    sizes = [int(size) for size in results]
    for name in ("replicas", "machines"):
        needs.loglog(sizes, [one[name]["most"] for one in results.values()], "o-", label=name)
    messages = [one["statistics_a_second"] for one in results.values()]
    needs.loglog(sizes, messages, "o-", label="statistics a second")
    needs.legend(frameon=False)
    back = [one["back_after_lost_zone_s"].get("p95", 0.0) for one in results.values()]
    waits.semilogx(sizes, back, "o-")
    style(needs, "What it needs", "sessions at once", "")
    style(waits, "Back after a lost zone, p95", "sessions at once", "s")
    return picture


def main(
    most: Annotated[int, typer.Option(min=1, help="Go to no more sessions than this.")] = 100_000,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    measured = measured_here(RESULTS)
    fleets = [Fleet(size) for size in _SIZES if size <= most]
    results = {str(fleet.sessions): simulated(fleet, measured, seed) for fleet in fleets}
    assumed = asdict(replace(fleets[0], sessions=0))
    parameters = {"seed": seed, "measured": asdict(measured), "assumed": assumed}
    write_result("serving.fleet", out, parameters, results, draw(results))
    Console(width=130).print(table(results))


app = run(main)

if __name__ == "__main__":
    app()
