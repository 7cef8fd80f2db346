"""The table of other languages than English."""

from __future__ import annotations

from typing import Any

from benchmarks.report.figures import Tables, fixed, pair, results, table, target
from streamer.recognition.languages import ENGLISH, NAMES


def tables() -> Tables:
    return {"languages": _languages, "language targets": _targets}


def _languages() -> str:
    head = (
        "language",
        "clips (minutes)",
        "errors: heard whole",
        "live",
        "live, language found out",
        "committed after a word's end, p50 / p95",
        "CPU seconds a second",
        "named right, of clips of 5 s or more",
    )
    found = results("languages")["languages"]
    return table(head, (_row(language, row) for language, row in found.items()))


def _row(language: str, row: dict[str, Any]) -> tuple[str, ...]:
    live = row["ways"]["live"]
    unit = " of characters" if row["unit"] == "characters" else ""
    rates = [f"{fixed(row['ways'][way]['error_percent'], 1)} %{unit}" for way in row["ways"]]
    own_way = " (draft and LLM)" if language == ENGLISH else ""
    return (
        f"{NAMES[language].title()}{own_way}",
        f"{row['clips']} ({fixed(row['audio_s'] / 60, 1)})",
        *rates,
        pair(live["commit_delay_ms"], "s"),
        fixed(live["cpu_s_per_audio_s"]),
        f"{row['long_clips_named_right']} of {row['long_clips']}",
    )


def _targets() -> str:
    found = results("languages")
    german = found["languages"]["de"]["ways"]["live"]["error_percent"]
    named = found["named"]
    share = named["right"] / max(1, named["clips"])
    wrong = ", ".join(
        f"{NAMES[one['language']].title()} of {fixed(one['seconds'], 1)} s taken for "
        f"{NAMES[one['named']].title() if one['named'] else 'nothing'}"
        for one in found["wrongly_named"]
    )
    return (
        f"German, live: {fixed(german, 1)} % (target {target(('≤ 30 %', german <= 30))}). The "
        f"language is named right on {named['right']} of {named['clips']} clips of 5 s or more "
        f"(target {target(('≥ 95 %', share >= 0.95))}); wrongly, of all: {wrong or 'none'}.\n"
    )
