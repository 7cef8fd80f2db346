"""All tables that are made of results."""

from __future__ import annotations

from benchmarks.report import research, tuning
from benchmarks.report.figures import Tables


def result_tables() -> Tables:
    """By the names that documents ask for."""
    return {**tuning.tables(), **research.tables()}
