"""What the profile adds up, and a run of it on bundled speech."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.profiling.cpu_spans import CpuSpans, measured
from benchmarks.profiling.profile import app
from benchmarks.profiling.stages import stage_of


def test_a_part_leaves_out_what_runs_inside_it() -> None:
    spans = CpuSpans()
    spans.add_run("graph.onnx", 2_000_000_000, 5_000_000_000, {"x": (1, 4)})
    spans.add_run("graph.onnx", 6_000_000_000, 7_000_000_000, {"x": (1, 8)})
    spans.add("encode", "asr", 1_000_000_000, 8_000_000_000)
    spans.add("decode", "asr", 9_000_000_000, 10_000_000_000)
    costs = spans.costs()
    assert {name: (cost.cpu_s, cost.runs) for name, cost in costs.items()} == {
        "encode": (3.0, 1),
        "graph.onnx": (4.0, 2),
        "decode": (1.0, 1),
    }
    assert costs["graph.onnx"].mean_shapes() == {"x": [1.0, 6.0]}
    assert spans.covered_s(threading.get_ident()) == 8.0


def test_threads_do_not_hold_each_others_spans() -> None:
    spans = CpuSpans()
    other = threading.Thread(target=lambda: spans.add("emotion", "emotion", 2, 3))
    other.start()
    other.join()
    spans.add("fuse", "asr", 1, 4)
    assert spans.costs()["fuse"].cpu_s == pytest.approx(3e-9)
    assert spans.covered_s(threading.get_ident()) == pytest.approx(3e-9)


def test_waiting_costs_nothing_while_measured() -> None:
    with measured():
        began_ns = time.perf_counter_ns()
        time.sleep(0.2)
        assert time.perf_counter_ns() - began_ns < 100_000_000


def test_graphs_count_to_their_stages_and_the_rest_is_python() -> None:
    assert stage_of("encode.onnx") == "encode"
    assert stage_of("encode") == "Python"
    assert stage_of("step.onnx (beam)") == "beam"


def test_a_profile_of_bundled_speech(tmp_path: Path) -> None:
    arguments = ["--label", "test", "--decoder", "draft", "--speech", "bundled", "--seconds", "4"]
    arguments += ["--repeats", "1", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    path = tmp_path / "profile-test-draft.json"
    results = json.loads(path.read_text())["results"]
    total_s = results["cpu_s_per_audio_s"]
    assert sum(results["stages"].values()) == pytest.approx(total_s, rel=0.01)
    assert all(results["stages"][name] > 0 for name in ("vad", "encode", "verify", "emotion"))
    assert results["parts"]["ledger and events"]["cpu_s_per_audio_s"] > 0
    server = results["server"]
    assert 0 < server["main_thread_cpu_s_per_audio_s"] < server["cpu_s_per_audio_s"]
    graphs = {graph: sum(costs.values()) for graph, costs in results["operators"].items()}
    encode_s = sum(cost for graph, cost in graphs.items() if stage_of(graph) == "encode")
    assert encode_s == pytest.approx(results["stages"]["encode"], rel=0.1)
    assert (tmp_path / "profile.png").is_file()
