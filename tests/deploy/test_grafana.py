"""The dashboard asks for what servers tell."""

from __future__ import annotations

import json
import re

from prometheus_client.parser import text_string_to_metric_families

from streamer.runtime.metrics import ServerMetrics
from tests.conftest import ROOT
from tests.fakes import FakeEngine

DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def told() -> dict[str, set[str]]:
    """The labels of every sample of a replica that has counted a little of everything."""
    engine = FakeEngine()
    metrics = ServerMetrics(engine.executor, "m7y4nc56")
    metrics.rejected.labels("too_many_sessions").inc()
    metrics.lost_samples.labels("gap").inc()
    metrics.observe_stages({"encode": 20.0})
    text = metrics.render().decode()
    engine.close()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def test_every_query_is_of_what_there_is() -> None:
    samples = told()
    for query in QUERIES:
        names = re.findall(r"\b(?:streamer|process)_\w+", query)
        assert names, query
        assert set(names) <= set(samples), query
        for labels in re.findall(r"by \(([^)]+)\)", query):
            assert set(re.split(r", *", labels)) <= samples[names[0]], query


def test_a_legend_names_what_the_query_keeps() -> None:
    samples = told()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            kept = re.findall(r"by \(([^)]+)\)", target["expr"])
            names = re.findall(r"\b(?:streamer|process)_\w+", target["expr"])
            labels = set(re.split(r", *", kept[0])) if kept else samples[names[0]]
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels, target


def test_what_hurts_is_shown() -> None:
    for name in ("lag_seconds", "cpu_seconds", "rejected", "places_taken", "lost_samples"):
        assert any(name in query for query in QUERIES)
