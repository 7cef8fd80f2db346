"""Sessions at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving import load


def test_a_round_is_carried_only_without_loss_or_failure() -> None:
    good = {"failed": 0, "lost_samples": 0, "lag_ms": {"p95": 900.0}}
    assert load.carried(good, 1000)
    assert not load.carried(good, 800)
    assert not load.carried(good | {"failed": 1}, 1000)
    assert not load.carried(good | {"lost_samples": 1}, 1000)
    assert not load.carried(good | {"lag_ms": {}}, 1000)


def test_load_writes_its_result(tmp_path: Path) -> None:
    arguments = ["--speech", "bundled", "--seconds", "3", "--max-sessions", "2", "--no-llm"]
    arguments += ["--max-lag-ms", "60000", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(load.app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    result = json.loads((tmp_path / "load.json").read_text())["results"]["no_llm"]
    assert [one["sessions"] for one in result["rounds"]] == [1, 2]
    assert result["sessions_carried"] == 2
    for one in result["rounds"]:
        assert one["failed"] == one["lost_samples"] == 0
        assert one["cpu_s_per_audio_s"] > 0
        assert one["peak_rss_mb"] > 50
        assert one["words"] > 0
    assert (tmp_path / "load.png").is_file()
