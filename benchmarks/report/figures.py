"""Recorded results, and how documents write figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
Tables = Mapping[str, Callable[[], str]]
"""What writes a table, by the name that documents ask for."""


@dataclass(frozen=True, slots=True)
class Row:
    """A result, and what was set out to be reached."""

    what: str
    measured: str
    target: str
    command: str
    """Module and options, or a link."""
    remark: str = ""
    """What else there is to the command."""


def result_table(rows: Iterable[Row]) -> str:
    head = ("what", "measured", "target", "command")
    return table(head, ((row.what, row.measured, row.target, _command(row)) for row in rows))


def _command(row: Row) -> str:
    if row.command.startswith("["):
        return row.command
    return f"`python -m {row.command}` {row.remark}".strip()


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


def fixed(value: float, digits: int = 2) -> str:
    """Rounded, halves away from zero: results are rounded already, often to one digit more."""
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded:,}".replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """With its sign, unless it is 0 when it is rounded."""
    found = fixed(value, digits)
    if not found.strip("−0."):
        return found.removeprefix("−")
    return f"+{found}" if value > 0 else found


def between(ends: Sequence[float], digits: int = 2) -> str:
    """An interval of differences."""
    low, high = ends
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def difference(compared: Mapping[str, Any], key: str = "wer_points", digits: int = 2) -> str:
    """A difference and its interval."""
    return f"{signed(compared[key], digits)} {between(compared[f'{key}_ci95'], digits)}"


def pair(stats: Mapping[str, float], unit: str = "ms") -> str:
    """Median and 95th percentile of milliseconds."""
    scale, digits = (1, 0) if unit == "ms" else (1000, 2)
    return f"{fixed(stats['p50'] / scale, digits)} / {fixed(stats['p95'] / scale, digits)} {unit}"


def target(*wanted: tuple[str, bool]) -> str:
    """What was wanted, and which of it is not met."""
    return "; ".join(name if met else f"{name}, **not met**" for name, met in wanted)
