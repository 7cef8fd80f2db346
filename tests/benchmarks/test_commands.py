"""Every benchmark tells how it is run, and stands in the list of them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = sorted(
    ".".join(("benchmarks", *path.relative_to(BENCHMARKS).with_suffix("").parts))
    for path in BENCHMARKS.rglob("*.py")
    if re.search(r"^app = ", path.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("name", MODULES)
def test_help_works(name: str) -> None:
    module = import_module(name)
    outcome = CliRunner().invoke(module.app, ["--help"], catch_exceptions=False)
    assert outcome.exit_code == 0
    assert "--out" in outcome.output or "--cache" in outcome.output


def test_every_benchmark_is_listed() -> None:
    told = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"benchmarks(?:\.[a-z_]+){2,3}", told))
    assert listed == {name.removesuffix(".run") for name in MODULES}
