"""The tables of `docs/tuning.md`, and those of `docs/research.md` on words that are shown."""

from __future__ import annotations

from typing import Final

from benchmarks.report.figures import Tables, fixed, pair, results, table

_SHOWN_WORDS_SETS: Final = (
    "librispeech_test_clean_opus",
    "librispeech_test_other",
    "speechocean762",
)


def tables() -> Tables:
    return {
        "commit rules": _commit_rules,
        "sessions": _sessions,
        "decoders": _decoders,
        "cost": _cost,
        "emotion windows": _emotion_windows,
        "fusion weights": _fusion_weights,
        "changed words": _changed_words,
        "rules for shown words": _rules_for_shown_words,
        "shown words elsewhere": _shown_words_elsewhere,
    }


def _commit_rules() -> str:
    rows = []
    for rule in results("commit_curve")["all"]["rules"]:
        delay, over = rule["commit_delay_ms"], rule["over_offline"]
        knob = f"**{rule['knob']}**" if rule["default"] else rule["knob"]
        low, high = over["wer_points_ci95"]
        rows.append(
            (
                rule["family"],
                knob,
                f"{rule['wer_percent']:.1f}",
                f"{over['wer_points']:+.1f} [{low:+.1f}, {high:+.1f}]",
                f"{delay['p50']:.0f} / {delay['p95']:.0f}",
                f"{rule['revised_per_committed_word']:.2f}",
            )
        )
    head = (
        "rule",
        "knob",
        "WER %",
        "over offline, points",
        "committed after, p50 / p95 ms",
        "revised / word",
    )
    return table(head, rows)


def _sessions() -> str:
    rows = []
    for key, name in (("llm", "with the LLM"), ("no_llm", "`--no-llm`")):
        for told in results("load")[key]["rounds"]:
            rows.append(
                (
                    name,
                    str(told["sessions"]),
                    f"{told['lag_ms']['p50']:.0f} / {told['lag_ms']['p95']:.0f}",
                    str(told["llm_pauses"]),
                    f"{told['lost_samples']}",
                    f"{told['cpu_s_per_audio_s']:.2f}",
                    str(told["peak_rss_mb"]),
                )
            )
    head = (
        "server",
        "sessions",
        "lag p50 / p95, ms",
        "pauses of the LLM",
        "lost samples",
        "CPU s / audio s",
        "peak MB",
    )
    return table(head, rows)


def _decoders() -> str:
    latency = results("latency")
    accuracy = results("accuracy")["all"]["systems"]
    rows = []
    for decoder in ("draft", "fused"):
        told = latency[decoder]
        rows.append(
            (
                f"`{decoder}`",
                f"{accuracy[decoder]['wer_percent']:.2f}",
                *(
                    f"{told[delay]['p50']:.0f} / {told[delay]['p95']:.0f}"
                    for delay in ("tentative_delay_ms", "commit_delay_ms", "final_delay_ms")
                ),
            )
        )
    head = ("decoder", "WER %", "shown, p50 / p95 ms", "committed", "final")
    return table(head, rows)


def _cost() -> str:
    rows = []
    for decoder in ("draft", "fused"):
        told = results(f"profile-after-{decoder}")
        stages = told["stages"]
        shown = ", ".join(f"{name} {1000 * stages[name]:.0f}" for name in stages)
        rows.append((f"`{decoder}`", f"{1000 * told['cpu_s_per_audio_s']:.0f}", shown))
    return table(("decoder", "all", "stages"), rows)


def _emotion_windows() -> str:
    rows = []
    for told in results("emotion")["windows"]:
        low, high = told["uar_ci95_speakers"]
        recall = f"{told['uar']:.2f} [{low:.2f}, {high:.2f}]"
        rows.append((f"{told['window_s']:g}", recall, f"{told['ece']:.3f}"))
    return table(("window, s", "mean recall", "calibration error"), rows)


def _fusion_weights() -> str:
    told = results("tune_fusion")
    weights = ((told[name], told[f"{name}_wer_percent"]) for name in ("shipped", "chosen"))
    rows = [
        ("0", "0", f"{told['acoustics_alone_wer_percent']:.2f}"),
        *((f"{w['llm']:g}", f"{w['word']:g}", f"{wer:.2f}") for w, wer in weights),
        ("cross-validated over speakers", "", f"{told['cross_validation']['wer_percent']:.2f}"),
        ("the best of each beam", "", f"{told['oracle_wer_percent']:.2f}"),
    ]
    clips = f"{told['clips']} whole clips of the development set"
    head = ("`llm`", "`word`", "WER %")
    return f"{clips}: what ships, and the best of the grid.\n\n{table(head, rows)}"


def _changed_words() -> str:
    found = results("research/changed_words")
    rows = {decoder: rules["as decoded"] for decoder, rules in found.items()}
    kinds = {
        "changed by the draft": ("by_pass", "draft"),
        "by a decision of the LLM's": ("by_pass", "decision"),
        "by what is decoded at a pause": ("by_pass", "pause"),
        "the word ended at the edge of the sound": ("by_place", "edge"),
        "up to 0.4 s before it": ("by_place", "young"),
        "earlier": ("by_place", "old"),
        "from wrong to right": ("by_outcome", "wrong to right"),
        "from wrong to wrong": ("by_outcome", "wrong to wrong"),
        "from right to wrong": ("by_outcome", "right to wrong"),
        "only moved": ("by_outcome", "moved"),
    }
    told = [("all", *(fixed(row["changed_per_word"]) for row in rows.values()))]
    told += [
        (kind, *(fixed(row[group].get(key, 0.0)) for row in rows.values()))
        for kind, (group, key) in kinds.items()
    ]
    return table(("changed, of each word", *(f"`{name}`" for name in rows)), told)


def _rules_for_shown_words() -> str:
    told = (
        (
            f"`{decoder}`",
            rule,
            fixed(row["wer_percent"], 1),
            pair(row["shown_delay_ms"]),
            fixed(row["changed_per_word"]),
        )
        for decoder, rules in results("research/changed_words").items()
        for rule, row in rules.items()
    )
    head = ("decoder", "rule", "WER %", "shown, p50 / p95 ms", "changed / word")
    return table(head, told)


def _shown_words_elsewhere() -> str:
    told = []
    every = results("research/shown-words/after")
    for clips in _SHOWN_WORDS_SETS:
        before = results(f"research/shown-words/before-{clips}")[clips]["ways"]
        after = every[clips]["ways"]
        for way in ("draft", "fused"):
            old, new = before[f"plain {way}"], after[f"plain {way}"]
            figures = [
                f"{fixed(old[key], digits)} → {fixed(new[key], digits)}"
                for key, digits in (
                    ("changed_per_word", 2),
                    ("wer_percent", 1),
                    ("false_stops", 0),
                )
            ]
            delays = [
                f"{pair(old[key])} → {pair(new[key])}"
                for key in ("shown_delay_ms", "commit_delay_ms")
            ]
            told.append((clips, f"`{way}`", *delays, *figures))
    head = (
        "clips",
        "decoder",
        "shown, p50 / p95",
        "committed",
        "changed / word",
        "WER %",
        "false stops",
    )
    return table(head, told)
