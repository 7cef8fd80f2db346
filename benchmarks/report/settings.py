"""Results of the latency settings: what the second listener brings, and what it costs."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.report.figures import Row, difference, fixed, pair, results, signed, table, target
from benchmarks.report.recognition import ratio

_NAMES: Final = {
    "librispeech_test_clean_opus": "test-clean, read",
    "librispeech_test_other": "test-other, read",
    "speechocean762": "speechocean762, non-native, read",
    "ami_meetings": "AMI, meetings",
    "spokenwoz_calls": "SpokenWOZ, telephone calls",
    "dictation_irish": "dictation",
    "fleurs_7lang": "FLEURS, read",
    "misc_english": "telephone, whispers, fillers, noise",
    "longform librispeech_test_clean_opus": "chapters of test-clean",
    "all": "**all clips**",
}
_HEARD_WHOLE: Final = (
    "librispeech_test_clean_opus",
    "librispeech_test_other",
    "speechocean762",
)
"""Sets whose clips the decoder can hear at once."""
_TARGETS: Final = {
    "librispeech_test_clean_opus": 1.0,
    "librispeech_test_other": 0.75,
    "speechocean762": 0.85,
    "ami_meetings": 0.85,
    "spokenwoz_calls": 0.85,
    "all": 0.82,
}
"""Of the errors of `balanced`, as a part of those of `low`."""


def table_of_settings() -> str:
    """Every set under every setting."""
    found = results("settings")
    head = (
        "set",
        "recordings, words",
        "WER, low → balanced → accurate",
        "errors of balanced, of low's",
        "of accurate",
        "left out; made up, low → balanced",
        "committed after, p50",
        "CPU s for a second",
    )
    return table(head, [_row(name, one) for name, one in found.items()])


def of_low(summary: dict[str, Any], setting: str) -> dict[str, Any]:
    """How a setting compares with `low`."""
    compared: dict[str, Any] = summary["comparisons"][f"{setting} - low"]
    return compared


def _row(name: str, summary: dict[str, Any]) -> tuple[str, ...]:
    systems = summary["systems"]
    balanced, accurate = (of_low(summary, setting) for setting in ("balanced", "accurate"))
    reached = balanced["ratio"]
    wanted = _TARGETS.get(name)
    met = f" ({target((f'≤ × {wanted:g}', reached <= wanted))})" if wanted else ""

    def each(key: str, digits: int, unit: str = "", scale: float = 1) -> str:
        return " → ".join(f"{fixed(one[key] * scale, digits)}{unit}" for one in systems.values())

    def counts(kind: str) -> str:
        return " → ".join(str(systems[setting][kind]) for setting in ("low", "balanced"))

    delays = " → ".join(fixed(one["commit_delay_ms"]["p50"] / 1000) for one in systems.values())
    return (
        _NAMES.get(name, name),
        f"{summary['recordings']}, {summary['words']:,}",
        each("wer_percent", 1, " %"),
        f"{ratio(balanced)}; {difference(balanced)}{met}",
        ratio(accurate),
        f"{counts('deletions')}; {counts('insertions')}",
        f"{delays} s",
        each("cpu_s_per_audio_s", 2),
    )


def steadiness() -> list[Row]:
    """How soon and how steadily `low` shows words, without the time that computing takes."""
    groups = results("steadiness")
    single = {n: one for n, one in groups.items() if n in _HEARD_WHOLE}
    found, rows = groups["all"], []
    for way, within_ms in {"draft": (500, 1_000), "fused": (700, 1_300)}.items():
        one = found["ways"][f"plain {way}"]
        shown, committed = one["shown_delay_ms"], one["commit_delay_ms"]
        changed = one["changed_per_word"]
        over = {
            name: group["ways"][f"plain {way}"]["over_offline"]["wer_points"]
            for name, group in single.items()
        }
        in_time = committed["p50"] <= within_ms[0] and committed["p95"] <= within_ms[1]
        rows.append(
            Row(
                f"words of {found['recordings']} clips (read, non-native, meetings), streaming "
                f"{way}: shown, committed after a word's end, p50 / p95; changed once shown, of "
                f"each word; false full stops; WER less that of whole clips by the draft "
                f"({', '.join(over)}; whole meetings make it loop)",
                f"{pair(shown)}, {pair(committed)}; {fixed(changed)}; {one['false_stops']}; "
                f"{', '.join(map(signed, over.values()))}",
                target(
                    ("shown p95 ≤ 350 ms", shown["p95"] <= 350),
                    (f"committed ≤ {within_ms[0]:,} / {within_ms[1]:,} ms", in_time),
                    ("changed ≤ 0.12", changed <= 0.12),
                    ("WER ≤ +0.3 of all", max(over.values()) <= 0.3),
                ),
                "benchmarks.research.steadiness --out benchmarks/results",
            )
        )
    return rows
