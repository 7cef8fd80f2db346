"""The tables of `docs/tuning.md`."""

from __future__ import annotations

from benchmarks.report.figures import Tables, results, table


def tables() -> Tables:
    return {
        "commit rules": _commit_rules,
        "sessions": _sessions,
        "decoders": _decoders,
        "cost": _cost,
        "emotion windows": _emotion_windows,
        "fusion weights": _fusion_weights,
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
