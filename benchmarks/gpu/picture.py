"""The picture of `benchmarks.gpu.card`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Time of a step, and lag in real time, over sessions, as far as they were measured."""
    picture = Figure(figsize=(9, 4), layout="constrained")
    for axes, (part, key, title, limit) in zip(
        picture.subplots(1, 2),
        (
            ("step_times", "step_ms", "A step of all at once", 256),
            ("real_time", "lag_ms", "Lag in real time, on threads", 300),
        ),
        strict=True,
    ):
        rows = results.get(part)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("sessions")
        axes.set_ylabel("ms")
        axes.axhline(limit, color="#7f7f7f", linestyle="--", linewidth=1)
        if not isinstance(rows, list) or not rows:
            continue
        counts = [row["sessions"] for row in rows]
        for percentile, colour in (("p50", "#1f77b4"), ("p95", "#d95f02")):
            values = [row[key][percentile] for row in rows]
            axes.plot(counts, values, "o-", color=colour, label=percentile)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.legend(frameon=False)
    picture.savefig(path, dpi=150)
