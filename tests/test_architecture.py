"""The house: which folder may import which, and how much a folder or file may hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

CODE = (".py", ".js", ".ts")
MAX_FILES = 16
MAX_LINES = 350


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


def test_imports_run_one_way() -> None:
    # In a process of its own: it sets up logging for all of one.
    check = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    found = subprocess.run(
        [sys.executable, "-c", check], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_no_folder_and_no_file_is_too_large() -> None:
    by_folder: dict[Path, list[Path]] = {}
    for file in code_files():
        by_folder.setdefault(file.parent, []).append(file)
    crowded = {str(f.relative_to(ROOT)): len(n) for f, n in by_folder.items() if len(n) > MAX_FILES}
    assert not crowded
    lengths = {
        str(f.relative_to(ROOT)): len(f.read_text(encoding="utf-8").splitlines())
        for f in code_files()
    }
    assert not {name: n for name, n in lengths.items() if n > MAX_LINES}


def test_every_package_says_what_lives_there() -> None:
    for file in code_files():
        if file.name == "__init__.py" and file.parts[len(ROOT.parts)] != "tests":
            described = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
            assert described, f"{file} has no docstring"
