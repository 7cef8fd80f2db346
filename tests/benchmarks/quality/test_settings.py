"""The latency settings on the same recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.quality.settings import SETTINGS, app


@pytest.mark.slow
def test_every_setting_hears_every_recording(tmp_path: Path) -> None:
    arguments = ["--speech", "bundled", "--clips", "1", "--longform", "0", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    results = json.loads((tmp_path / "settings.json").read_text())["results"]
    found = next(iter(results.values()))
    assert found["recordings"] == 1
    assert tuple(found["systems"]) == SETTINGS
    for figures in found["systems"].values():
        assert figures["wer_percent"] < 50
        assert figures["cpu_s_per_audio_s"] > 0
    delays = [found["systems"][name]["commit_delay_ms"]["p50"] for name in ("low", "accurate")]
    assert delays[0] < delays[1]
    assert {"balanced - low", "accurate - low"} <= found["comparisons"].keys()
