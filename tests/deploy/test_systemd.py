"""deploy/streamer.service in the program that it is for; systemd itself does not run here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.docs.proxies import PUBLIC_NAME

FILE: Final = ROOT / "deploy" / "streamer.service"
INSTALLED: Final = "/opt/streamer/bin/streamer"
MAX_EXPOSURE: Final = 20
"""Of 100, as `systemd-analyze security` counts; a service with nothing held back has 96."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """With a command that is there."""
    text = FILE.read_text(encoding="utf-8")
    assert text.count(f"ExecStart={INSTALLED} serve\n") == 1
    unit = tmp_path / "streamer.service"
    here = Path(sys.executable).parent / "streamer"
    unit.write_text(text.replace(f"={INSTALLED}", f"={here}"), encoding="utf-8")
    return unit


def analyze(*arguments: str | Path) -> str:
    """What it complains of. Fails if it does not pass."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on PATH")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr
    return done.stderr


def test_systemd_takes_the_unit(unit: Path) -> None:
    assert analyze("verify", "--man=no", unit) == ""


def test_little_is_exposed(unit: Path) -> None:
    analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", unit)


def test_it_serves_behind_a_proxy_of_the_documents_name() -> None:
    assert f"Environment=STREAMER_ALLOW_HOST={PUBLIC_NAME}\n" in FILE.read_text(encoding="utf-8")
