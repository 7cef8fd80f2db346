"""Recorded results, and how documents write figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
Tables = Mapping[str, Callable[[], str]]
"""What writes a table, by the name that documents ask for."""


def document(name: str) -> dict[str, Any]:
    """A result with its machine and parameters. `name` is its path in the folder, less `.json`."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def results(name: str) -> dict[str, Any]:
    """The figures of a result."""
    found: dict[str, Any] = document(name)["results"]
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )
