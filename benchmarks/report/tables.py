"""All tables that are made of results."""

from __future__ import annotations

from benchmarks.report import (
    languages,
    peers,
    research,
    results,
    scorecard,
    serving,
    speakers,
    tuning,
    turns,
)
from benchmarks.report.emotion import card, studies
from benchmarks.report.figures import Tables


def result_tables() -> Tables:
    """By the names that documents ask for."""
    parts = (
        scorecard,
        results,
        languages,
        speakers,
        peers,
        research,
        card,
        studies,
        tuning,
        turns,
        serving,
    )
    return {name: write for part in parts for name, write in part.tables().items()}
