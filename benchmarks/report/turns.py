"""The tables of turns: false ends against delay, and what tells an end."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.report.figures import Tables, fixed, results, signed, table
from streamer.recognition.turns.options import TurnOptions

_WAYS: Final = {
    "silence": "a fixed silence of",
    "confidence": "confidence, with the LLM, of",
    "without": "confidence, without the LLM, of",
}


def tables() -> Tables:
    return {"turns": _turns, "turn weights": _weights}


def _turns() -> str:
    found = results("turns")
    head = (
        "a turn ends with",
        *(
            f"{kind}: {one['ends']} ends, {fixed(one['speech_minutes'], 1)} min"
            for kind, one in found.items()
        ),
    )
    first = next(iter(found.values()))
    rows = []
    for way, label in _WAYS.items():
        for knob in first["ways"][way]:
            shown = f"**{knob}**" if _is_default(way, knob) else knob
            cells = (_cell(one["ways"][way][knob]) for one in found.values())
            rows.append((f"{label} {shown}", *cells))
    return table(head, rows)


def _is_default(way: str, knob: str) -> bool:
    return way != "silence" and float(knob) == TurnOptions().threshold


def _cell(row: dict[str, Any]) -> str:
    mean, late = (fixed(row[f"delay_{name}_ms"] / 1000) for name in ("mean", "p95"))
    return (
        f"{fixed(row['false_per_minute'], 1)} false a minute; after {mean} (95 %: {late}) s; "
        f"{fixed(row['told_percent'], 0)} % told"
    )


def _weights() -> str:
    found = results("turns_fit")
    head = ("what is known", "log-loss on recordings left out, nats", "weights")
    rows = (
        (source, fixed(one["loss_left_out"], 3), _told(one["weights"]))
        for source, one in found["sources"].items()
    )
    return table(head, rows)


def _told(weights: dict[str, float]) -> str:
    return ", ".join(f"{name} {signed(value, 3)}" for name, value in weights.items())
