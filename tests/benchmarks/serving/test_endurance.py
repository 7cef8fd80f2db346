"""Minutes of audio, and whether growth is seen where there is some."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.endurance import SETTLED_MIN, app, growth, minutes_of


def test_minutes_follow_each_other_without_a_gap() -> None:
    pieces = (np.full(700_000, i, np.float32) for i in itertools.count())
    minutes = list(minutes_of(pieces, 3))
    assert [len(minute) for minute in minutes] == [960_000] * 3
    joined = np.concatenate(minutes)
    assert np.array_equal(joined, np.repeat(np.arange(5), 700_000)[: len(joined)])


def test_growth_is_that_of_an_hour_after_the_start() -> None:
    assert growth([0.0] * SETTLED_MIN + [100 + 2 * i for i in range(20)]) == pytest.approx(120)
    assert growth([900.0] * SETTLED_MIN + [100.0] * 20) == pytest.approx(0, abs=1e-9)


def test_two_minutes_through_a_recognizer_and_the_server(tmp_path: Path) -> None:
    arguments = ["--speech", "bundled", "--minutes", "2", "--server", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    results = json.loads((tmp_path / "endurance.json").read_text())["results"]
    first, second = results["minutes"]
    assert 200 < first["steps"] <= 240
    assert 50 < first["words"] < second["words"]
    assert len(results["server_rss_mb"]) == 3
    assert (tmp_path / "endurance.png").is_file()
