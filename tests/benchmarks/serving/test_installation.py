from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serving.installation import (
    ROOT,
    STEPS,
    ClientInstallation,
    Installation,
    Step,
    copy_checkout,
    draw,
    size_mb,
    table,
    timed,
)


def test_a_command_is_timed_and_its_failure_told(tmp_path: Path) -> None:
    busy = "import time\nstart = time.process_time()\nwhile time.process_time() < start + 0.3: pass"
    step = timed([sys.executable, "-c", busy], tmp_path)
    assert 0.3 <= step.cpu_s <= step.wall_s + 0.2
    with pytest.raises(subprocess.CalledProcessError):
        timed([sys.executable, "-c", "raise SystemExit(1)"], tmp_path)


def test_sizes_count_files_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_bytes(bytes(3_000_000))
    (tmp_path / "a" / "code.pyc").write_bytes(bytes(1_000_000))
    (tmp_path / "link").symlink_to(tmp_path / "a" / "weights")
    assert size_mb(tmp_path) == 4.0
    assert size_mb(tmp_path, bytecode=False) == 3.0


def test_the_copy_can_be_installed(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    assert (tmp_path / "Makefile").is_file()
    assert (tmp_path / "streamer" / "client" / "client.py").is_file()
    assert not (tmp_path / ".git").exists()


def test_the_steps_are_make_s_own() -> None:
    for target in STEPS.values():
        command = ["make", "--dry-run", "--always-make", "--directory", str(ROOT), target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_summary_and_the_picture() -> None:
    steps = {"packages": Step(30.0, 25.0), "demo": Step(80.5, 20.0)}
    one = Installation(steps, 1200.0, 570.0, {"numpy": 73.0})
    assert one.wall_s == 110.5
    shown = table([one, one], ClientInstallation(Step(5.0, 4.0), 67.0))
    assert shown.row_count == 2 * 3 + 1
    draw(one)
