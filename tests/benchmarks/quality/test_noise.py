"""Sounds that are not speech."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.quality.noise import HUM_HZ, SOUNDS, app, sound


def _power_db(name: str, low_hz: float, high_hz: float) -> float:
    samples = sound(name, 0.5, -30, seed=0).astype(np.float64)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / 16_000)
    return float(10 * np.log10(power[(hertz >= low_hz) & (hertz < high_hz)].mean()))


@pytest.mark.parametrize("name", [name for name in SOUNDS if name != "silence"])
def test_sounds_have_the_wanted_level(name: str) -> None:
    samples = sound(name, 0.1, -30, seed=0)
    assert len(samples) == 6 * 16_000
    assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(-30, abs=0.5)
    assert np.array_equal(samples, sound(name, 0.1, -30, seed=0))


def test_silence_is_silent() -> None:
    assert not sound("silence", 0.1, -30, seed=0).any()


@pytest.mark.parametrize(
    ("name", "per_octave"), [("white noise", 0), ("pink noise", -3.01), ("brown noise", -6.02)]
)
def test_colours_fall_as_they_should(name: str, per_octave: float) -> None:
    fall = _power_db(name, 1900, 2100) - _power_db(name, 950, 1050)
    assert fall == pytest.approx(per_octave, abs=0.5)


def test_the_hum_is_at_the_mains_frequency() -> None:
    samples = sound("hum", 0.1, -30, seed=0)
    assert np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples) == pytest.approx(HUM_HZ)


def test_the_command_writes_its_result(tmp_path: Path) -> None:
    arguments = ["--minutes", "0.1", "--no-llm", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    results = json.loads((tmp_path / "noise.json").read_text())["results"]
    assert list(results) == list(SOUNDS)
    for figures in results.values():
        assert figures["words"] == 0
        assert figures["model_s"] >= figures["model_s_beyond_vad"] >= 0
    assert (tmp_path / "noise.png").is_file()
