"""The locks name all that pyproject.toml asks for, by hash, and nothing known to be broken; the one
for captions alone names none of the tools for other models."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT

LOCK: Final = ROOT / "deploy" / "requirements.lock"
TEST_LOCK: Final = ROOT / "deploy" / "requirements-test.lock"
CLUSTER_LOCK: Final = ROOT / "deploy" / "requirements-cluster.lock"
EXTRAS: Final = {LOCK: (), TEST_LOCK: ("test", "torch"), CLUSTER_LOCK: ("cluster",)}
"""Beside `media`."""
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FIXED: Final = {
    "anyio": ("4.14.2", "CVE-2026-63374, CVE-2026-64847"),
    "filelock": ("3.20.3", "CVE-2025-68146, CVE-2026-22701"),
    "onnx": ("1.21.0", "CVE-2025-51480, CVE-2026-27489, CVE-2026-28500, CVE-2026-34445 to -34447"),
    "pydantic": ("2.4.0", "CVE-2024-3772"),
    "pytest": ("9.0.3", "CVE-2025-71176"),
    "python-multipart": ("0.0.31", "CVE-2026-42561, CVE-2026-53537 to -53540"),
    "setuptools": ("83.0.0", "CVE-2025-47273, CVE-2026-59890"),
    "starlette": ("1.3.1", "CVE-2025-62727, CVE-2026-48710, -48817, -48818, -54282, -54283"),
    "torch": ("2.13.0", "CVE-2025-3000, CVE-2026-4538, CVE-2026-24747"),
    "transformers": ("5.10.0", "CVE-2026-4372, CVE-2026-5241, CVE-2026-9856"),
}
"""The first release without the vulnerabilities that were known in older ones."""


@dataclass(frozen=True)
class Locked:
    requirement: Requirement
    hashes: list[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> Version:
        """Raises ValueError: the requirement names several, or none."""
        (pin,) = self.requirement.specifier
        if pin.operator != "==":
            raise ValueError(f"{self.requirement} is a range")
        return Version(pin.version)


def read(lock: Path) -> Iterator[Locked]:
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", "").splitlines():
        requirement, *hashes = line.split(" --hash=")
        yield Locked(Requirement(requirement), [each.strip() for each in hashes])


def versions(lock: Path) -> dict[str, Version]:
    return {locked.name: locked.version for locked in read(lock)}


def asked_for(lock: Path) -> list[Requirement]:
    """By pyproject.toml, to build, to run with films and all, and for what else the lock is."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    lines = [*PROJECT["build-system"]["requires"], *project["dependencies"], *extras["media"]]
    for extra in EXTRAS[lock]:
        lines += extras[extra]
    return [Requirement(line) for line in lines]


def matching(lock: Path, environment: dict[str, str]) -> set[str]:
    """The packages that are installed in an environment, described as markers do."""
    return {
        locked.name
        for locked in read(lock)
        if locked.requirement.marker is None or locked.requirement.marker.evaluate(environment)
    }


@pytest.mark.parametrize("lock", EXTRAS, ids=lambda lock: lock.name)
def test_what_is_asked_for_is_locked_within_its_range(lock: Path) -> None:
    locked = versions(lock)
    for requirement in asked_for(lock):
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{requirement}: run `make lock`"
        assert locked[name] in requirement.specifier, f"{requirement}: run `make lock`"


@pytest.mark.parametrize("lock", EXTRAS, ids=lambda lock: lock.name)
def test_every_entry_is_one_release_with_hashes(lock: Path) -> None:
    found = list(read(lock))
    assert len(found) == len(versions(lock)), "a package is there twice"
    for locked in found:
        assert locked.hashes, locked.requirement
        for each in locked.hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", each), locked.requirement


@pytest.mark.parametrize("lock", EXTRAS, ids=lambda lock: lock.name)
def test_the_locks_name_no_place(lock: Path) -> None:
    """They are good for every registry and mirror."""
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"://|^-|@ |(^|\s)/", text, re.MULTILINE)


PLATFORMS: Final = {
    ("linux", "x86_64"): "onnxruntime-gpu",
    ("linux", "aarch64"): "onnxruntime",
    ("darwin", "arm64"): "onnxruntime",
    ("win32", "AMD64"): "onnxruntime-gpu",
    ("win32", "ARM64"): "onnxruntime",
}


@pytest.mark.parametrize("lock", EXTRAS, ids=lambda lock: lock.name)
@pytest.mark.parametrize("platform", PLATFORMS, ids="-".join)
def test_each_platform_gets_one_onnx_runtime(lock: Path, platform: tuple[str, str]) -> None:
    """Two would overwrite each other's files."""
    system, machine = platform
    found = matching(lock, {"sys_platform": system, "platform_machine": machine})
    runtimes = [name for name in found if name.startswith("onnxruntime")]
    assert runtimes == [PLATFORMS[platform]]


def test_torch_is_one_that_loads() -> None:
    assert versions(TEST_LOCK)["torch"] != Version("2.13.0")  # torchaudio does not load with it


def test_captions_need_no_tools_for_other_models() -> None:
    heavy = {"torch", "torchaudio", "transformers", "triton", "sympy"}
    assert not {n for n in versions(LOCK) if n in heavy or n.startswith(("nvidia-", "cuda-"))}


def test_what_runs_is_what_was_tested() -> None:
    assert versions(LOCK).items() <= versions(TEST_LOCK).items()


def test_what_a_cluster_runs_is_what_was_tested() -> None:
    """They are installed over each other."""
    tested, cluster = versions(TEST_LOCK), versions(CLUSTER_LOCK)
    assert {name: tested[name] for name in cluster.keys() & tested.keys()} == {
        name: cluster[name] for name in cluster.keys() & tested.keys()
    }


@pytest.mark.parametrize("name", FIXED)
def test_no_range_reaches_back_to_known_vulnerabilities(name: str) -> None:
    fixed, known = Version(FIXED[name][0]), FIXED[name][1]
    (requirement,) = (asked for asked in asked_for(TEST_LOCK) if asked.name == name)
    lowest = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
    assert max(lowest) >= fixed, f"{known} are fixed in {fixed}"
