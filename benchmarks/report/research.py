"""The tables of `docs/research.md`."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.report.figures import (
    Tables,
    between,
    difference,
    document,
    fixed,
    pair,
    results,
    signed,
    table,
)

_TRAINED: Final = {
    "text": "reading only",
    "audio": "audio",
    "emotion": "emotion",
    "weighted": "both, weighted sum",
    "concat": "both, concatenated",
    "attention": "both, attention",
    "cross_attention": "both, cross-attention",
    "similarity": "both, similarity",
    "serial": "both, serial",
    "hybrid": "both, hybrid",
    "frozen": "both, weighted sum, the LLM left as it is",
}
"""What the LLM was trained on, by the name of the run."""
_CONTROLS: Final = ("audio of others", "without audio", "emotion of others", "without emotion")


def tables() -> Tables:
    return {
        "fusion strategies": _fusion_strategies,
        "fusion without training": _fusion_without_training,
        "marks by the LLM": _marks,
        "proposed words": _proposals,
        "weight of the words": _weight_of_words,
        "telling sentences": _telling,
        "constructed voices and words": _constructed,
        "closing marks": _closing_marks,
        "first memory": _memory,
        "peaks": _peaks,
        "roofline": _roofline,
        "listener windows": _listener_windows,
        "draft at the edge": _draft_at_the_edge,
        "learned hush": _learned_hush,
        "learned hush, heard": _hush_heard,
    }


def _ablation() -> dict[str, dict[str, Any]]:
    return {row["variant"]: row for row in document("fusion_ablation")["against_llm"]}


def _fusion_without_training() -> str:
    rows = _ablation()
    named = {
        "the draft alone": rows["draft"],
        "**the LLM as it ships**": rows["LLM"],
        "who knows the reference": rows["best of the candidates"],
    }
    told = (
        (
            name,
            fixed(row["excess_percent"], 2),
            _difference(row, "excess"),
            fixed(row["errors_percent"], 2),
            _difference(row, "errors"),
        )
        for name, row in named.items()
    )
    head = (
        "what chooses",
        "errors beyond the best choice",
        "less the LLM's",
        "WER of whole clips, %",
        "less the LLM's",
    )
    return table(head, told)


def _fusion_strategies() -> str:
    rows, shares = _ablation(), document("fusion_ablation")["modality_shares"]
    told = (
        (
            name,
            _difference(rows[run], "excess"),
            *(
                signed(rows[f"{run}, {control}"]["excess_difference"])
                if f"{run}, {control}" in rows
                else "–"
                for control in _CONTROLS
            ),
            " / ".join(fixed(share, 2) for share in shares[run].values())
            if len(shares[run]) > 1
            else "–",
            _difference(rows[run], "errors"),
        )
        for run, name in _TRAINED.items()
    )
    head = (
        "trained on",
        "errors beyond the best choice",
        *(control.replace("without", "no") for control in _CONTROLS),
        "shares in what is heard",
        "WER of whole clips",
    )
    return table(head, told)


def _difference(row: dict[str, Any], key: str) -> str:
    if not any(row[f"{key}_interval"]):
        return "–"
    return f"{signed(row[f'{key}_difference'])} {between(row[f'{key}_interval'])}"


def _marks() -> str:
    named = {
        "the ear alone": "draft",
        "the LLM has a say": "+ LLM",
        "it is told the emotion": "+ emotion",
        "it is told a wrong one": "+ wrong emotion",
    }
    captions, clips = results("punctuation"), results("research/llm_marks")
    rows = (
        (
            name,
            fixed(captions[key]["f1"], 3),
            fixed(clips[key]["f1"], 3),
            difference(clips[key]["against"]["draft"], "f1", 3) if key != "draft" else "–",
            f"{clips[key]['classes']['exclamation mark']['found']}",
        )
        for name, key in named.items()
    )
    head = (
        "who decides",
        "F1 of captions (marks are the ear's)",
        "F1 of whole clips (marks are decided anew)",
        "less the ear's",
        "exclamation marks found",
    )
    return table(head, rows)


def _proposals() -> str:
    found = results("research/llm_proposals")
    rows = [("none asked", "–", "–", fixed(found["wer_percent"], 2), "–")]
    for margin, row in found["within"].items():
        rows.append(
            (
                f"within {margin}",
                f"{row['possible_by_ear']} of {found['proposals']:,}",
                f"{row['recordings_changed']} of {found['recordings']}",
                fixed(row["wer_percent"], 2),
                difference(row),
            )
        )
    head = ("proposals", "possible by ear", "recordings changed", "WER %", "difference")
    return table(head, rows)


def _weight_of_words() -> str:
    found = results("research/emotion_text")
    rows = (
        (f"{dev['weight']:g}", *(fixed(row["uar"], 3) for row in (dev, test)), _uar_change(test))
        for dev, test in zip(found["dev"], found["test"], strict=True)
    )
    return table(
        ("weight of the words", "development speakers", "test speakers", "95 % of the change"), rows
    )


def _uar_change(row: dict[str, Any]) -> str:
    return between(row["difference_ci95"], 3) if row["weight"] else "–"


def _telling() -> str:
    rows = (
        (row["text"], row["meant"], row["likeliest"])
        for row in results("research/emotion_text")["telling"]
    )
    return table(("sentence", "meant", "named by the LLM"), rows)


def _closing_marks() -> str:
    rows = (
        (told, signed(nats["!"]), signed(nats["?"]))
        for told, nats in results("research/emotion_text")["closing_marks"].items()
    )
    return table(("told", "! less the full stop, nats", "? less the full stop, nats"), rows)


def _constructed() -> str:
    found = results("research/emotion_words")
    rows = [
        (
            f"{judged['weight']:g}",
            fixed(judged["misheard_righted"]),
            fixed(judged["calm_called_a_wrong_emotion"]),
            fixed(judged["flat_words_keep_the_voice"]),
            fixed(recall["recall"], 3),
        )
        for judged, recall in zip(found["weights"], found["crema_d_test"], strict=True)
    ]
    head = (
        "weight of the words",
        "misheard voice, telling words: righted",
        "calm voice, telling words: a wrong emotion named",
        "unsure voice, flat words: the voice's emotion stays",
        "CREMA-D test speakers: mean recall",
    )
    return table(head, rows)


def _memory() -> str:
    found = results("research/memory")
    rows = (
        (name, *(f"{found[key][when]:,}" for when in ("ready_mb", "peak_mb", "target_mb")))
        for key, name in (("llm", "with the LLM"), ("no_llm", "without"))
    )
    return table(("server", "ready, MB", "peak, MB", "at most"), rows)


def _peaks() -> str:
    speeds = results("research/roofline")["peaks"]["gigaops"]
    rows = (
        (size, *(f"{of[size][0]:.0f} / {of[size][1]:.0f}" for of in speeds.values()))
        for size in next(iter(speeds.values()))
    )
    return table(("matrix product", *speeds), rows)


def _roofline() -> str:
    rows = (
        (
            f"`{profile.partition(',')[0]}`",
            f"`{part}`",
            fixed(row["gigaops_per_audio_s"], 2),
            fixed(row["megabytes_per_audio_s"], 0),
            fixed(row["roofline_ms_per_audio_s"], 1),
            fixed(row["cpu_ms_per_audio_s"], 1),
            f"{100 * row['share_of_roof']:.0f} %",
        )
        for profile, parts in results("research/roofline")["profiles"].items()
        for part, row in parts.items()
    )
    head = ("decoder", "graph", "10⁹ operations", "MB", "roof, ms", "CPU, ms", "of the roof")
    return table(head, rows)


def _listener_windows() -> str:
    found = results("research/listener_windows")
    rows = (
        (
            name,
            window,
            fixed(row["wer_percent"], 1),
            f"{row['repeats']} of {row['clips']}",
            str(row["slips"]),
            fixed(row["cpu_s"]),
            fixed(row["wall_ms"]["p50"], 0),
        )
        for name, by_window in found.items()
        for window, row in by_window.items()
    )
    head = (
        "clips",
        "window, at least",
        "WER %",
        "repeats",
        "slips",
        "CPU s a clip",
        "p50 ms a clip",
    )
    return table(head, rows)


def _draft_at_the_edge() -> str:
    found = results("research/steadiness")["all"]["ways"]
    rows = []
    for name, row in found.items():
        draft, way = name.split()
        more = row.get("over_plain")
        live = "commit_delay_ms" in row
        rows.append(
            (
                way,
                draft,
                fixed(row["wer_percent"], 2),
                "–" if more is None else difference(more),
                pair(row["shown_delay_ms"]) if live else "–",
                pair(row["commit_delay_ms"]) if live else "–",
                fixed(row["changed_per_word"], 2) if live else "–",
                str(row["false_stops"]) if live else "–",
            )
        )
    head = (
        "heard",
        "decoder",
        "WER %",
        "more than plain",
        "shown, p50 / p95",
        "committed",
        "changed / word",
        "false stops",
    )
    return table(head, sorted(rows, key=lambda row: ("offline", "draft", "fused").index(row[0])))


def _learned_hush() -> str:
    looks = results("research/hush")["looks"]
    rows = [
        (
            "silence" if look["step"] < 0 else f"learned, {look['step']} steps",
            *(f"{100 * look[share]:.1f} %" for share in ("stops", "last_tokens", "whole_tokens")),
        )
        for look in looks
    ]
    return table(("behind the cut", "stops right", "last three tokens", "tokens of wholes"), rows)


def _hush_heard() -> str:
    rows = [
        (
            clips,
            *reversed(name.split()),
            fixed(row["wer_percent"], 2),
            difference(row["over_plain"]) if "hushed" in name else "–",
            pair(row["shown_delay_ms"]),
            pair(row["commit_delay_ms"]),
            fixed(row["changed_per_word"], 2),
            str(row["false_stops"]),
        )
        for clips, ways in results("research/hush")["ways"].items()
        for name, row in sorted(ways.items(), key=lambda way: way[0].split()[::-1])
    ]
    head = ("clips", "decoder", "behind a step", "WER %", "more", "shown", "committed")
    return table((*head, "changed / word", "false stops"), rows)
