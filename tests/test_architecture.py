"""The house: which folder may import which, and how much a folder or file may hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.conftest import ROOT

CODE = (".py", ".js", ".ts")


def code_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    files = [ROOT / name for name in listed.stdout.splitlines() if name.endswith(CODE)]
    return [file for file in files if file.is_file()]


def test_imports_run_one_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    failed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert not failed, capsys.readouterr().out


def test_every_package_says_what_lives_there() -> None:
    for file in code_files():
        if file.name == "__init__.py" and file.parts[len(ROOT.parts)] != "tests":
            described = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
            assert described, f"{file} has no docstring"
