"""The real command on a short file: what the benchmark reads of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import soundfile

from benchmarks.common import BUNDLED, load_clips
from benchmarks.serving.long_files import draw, measure, table, write_speech


def test_the_file_is_as_long_as_wanted(tmp_path: Path) -> None:
    write_speech(tmp_path / "a.wav", load_clips(BUNDLED, tmp_path), 2)
    assert soundfile.info(tmp_path / "a.wav").duration == 120


@pytest.mark.slow
def test_a_run_is_measured(bundled_speech: Path, tmp_path: Path) -> None:
    run = measure(bundled_speech / "1064_TIE_HAP_XX.opus", tmp_path, "draft")
    assert run.segments == 1
    assert 100 < run.peak_rss_mb < 1_000
    assert max(run.rss_mb) <= run.peak_rss_mb
    assert run.cpu_s > 0
    draw([run], "draft")
    table([run])


@pytest.mark.slow
def test_a_run_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure(tmp_path / "missing.wav", tmp_path, "draft")
