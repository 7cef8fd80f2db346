"""What the project is built of, copied: builds leave files in their folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

SOURCES: Final = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "NOTICE",
    "streamer",
    "models",
    "clients",
)


def copy_sources(to: Path) -> None:
    """Into an empty folder."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, to / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, to)
