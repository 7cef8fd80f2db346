"""How Ray is started: by a stand-in for Python that tells what it was given."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed (extra `cluster`)")

from streamer.cluster.control import ClusterError, join_ray, start_ray


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Ray was started with, and with which niceness for its workers."""
    path = tmp_path / "told"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$RAY_worker_niceness" "$@" > "{path}"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.delenv("RAY_worker_niceness", raising=False)
    return path


def test_replicas_give_way_to_nobody(told: Path) -> None:
    start_ray(6379)
    niceness, *command = told.read_text().split()
    assert niceness == "0"
    assert "--head" in command
    join_ray("first:6379")
    niceness, *command = told.read_text().split()
    assert niceness == "0"
    assert "--address=first:6379" in command


def test_who_wants_them_to_give_way_is_heard(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "5")
    start_ray(6379)
    assert told.read_text().split()[0] == "5"


def test_what_ray_says_last_is_told(told: Path) -> None:
    Path(sys.executable).write_text("#!/bin/sh\necho first >&2; echo the port is taken >&2; exit 1")
    with pytest.raises(ClusterError, match="Ray does not start: the port is taken"):
        start_ray(6379)
