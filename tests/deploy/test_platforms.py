"""Where the lock can be installed: a wheel of each package for each platform and Python.

Only resolved: nothing of this was run on another system or another Python than the tests' own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.deploy.test_locks import LOCK

pytestmark = pytest.mark.slow

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Platform:
    """As `docs/deployment.md` calls it, and as the resolver does."""

    name: str
    target: str
    runtime: str
    macos: str = ""


PLATFORMS: Final = (
    Platform("Linux x86-64, glibc ≥ 2.34", "x86_64-manylinux_2_34", "onnxruntime-gpu"),
    Platform("Linux ARM64, glibc ≥ 2.34", "aarch64-manylinux_2_34", "onnxruntime"),
    Platform("macOS ≥ 15, Apple silicon", "aarch64-apple-darwin", "onnxruntime", "15.0"),
    Platform("Windows x86-64", "x86_64-pc-windows-msvc", "onnxruntime-gpu"),
)
_NO_INDEX: Final = re.compile("error sending request|dns error|Failed to fetch|offline")


def resolve(platform: Platform, python: str, target: Path) -> str:
    """What would be installed there, a package a line."""
    uv = shutil.which(
        "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if uv is None:
        pytest.skip("uv is not installed; `make test` installs it")
    command = [uv, "pip", "install", "--dry-run", "--no-config", "--only-binary", ":all:"]
    command += ["--require-hashes", "--requirement", str(LOCK), "--target", str(target)]
    done = subprocess.run(
        [*command, "--python-platform", platform.target, "--python-version", python],
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": platform.macos or "15.0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and _NO_INDEX.search(done.stderr):
        pytest.skip(f"the package index was not reached: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.target)
def test_every_package_has_a_wheel(platform: Platform, python: str, tmp_path: Path) -> None:
    found = resolve(platform, python, tmp_path)
    runtimes = re.findall(r"^ \+ (onnxruntime\S*)==", found, re.MULTILINE)
    assert runtimes == [platform.runtime]


def test_the_document_names_these_platforms() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for platform in PLATFORMS:
        (row,) = (row for row in rows if row.startswith(f"| {platform.name} |"))
        assert f"`{platform.runtime}`" in row
