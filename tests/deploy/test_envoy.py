"""deploy/envoy.yaml, as far as it can be held without Envoy."""

from __future__ import annotations

from typing import Any

import yaml

from tests.conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "deploy" / "envoy.yaml").read_text(encoding="utf-8"))
CLUSTERS: dict[str, Any] = {c["name"]: c for c in CONFIG["static_resources"]["clusters"]}


def routes() -> list[dict[str, Any]]:
    (listener,) = CONFIG["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["upgrade_configs"] == [{"upgrade_type": "websocket"}]
    found: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return found


def machines(cluster: str) -> set[str]:
    (group,) = CLUSTERS[cluster]["load_assignment"]["endpoints"]
    addresses = [one["endpoint"]["address"]["socket_address"] for one in group["lb_endpoints"]]
    return {f"{one['address']}:{one['port_value']}" for one in addresses}


def test_a_session_goes_to_its_machine_and_others_to_any() -> None:
    hidden, *named, rest = routes()
    assert hidden["match"] == {"path": "/metrics"}
    for route in named:
        (query,) = route["match"]["query_parameters"]
        cluster = route["route"]["cluster"]
        assert (query["name"], query["string_match"]) == ("session", {"prefix": f"{cluster}."})
        assert len(machines(cluster)) == 1
    assert rest["match"] == {"prefix": "/"}
    one_each = [machines(route["route"]["cluster"]) for route in named]
    assert machines(rest["route"]["cluster"]) == set.union(*one_each)
    assert all(cluster["load_assignment"]["cluster_name"] == n for n, cluster in CLUSTERS.items())
