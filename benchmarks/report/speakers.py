"""The table of who speaks."""

from __future__ import annotations

from typing import Any

from benchmarks.report.figures import Tables, fixed, results, table, target

TARGETED = "2 readers"


def tables() -> Tables:
    return {
        "speakers": _speakers,
        "speaker targets": _targets,
        "known voices": _known,
        "speakers live": _live,
    }


def reached() -> tuple[str, str]:
    """Of conversations of two: what was measured, and the targets."""
    found = results("speakers")[TARGETED]
    error, wrong = found["der_percent"], found["wrong_speaker_percent"]
    return (
        f"{fixed(error, 1)} %; {fixed(wrong, 1)} %",
        target(("≤ 20 %", error <= 20), ("≤ 8 %", wrong <= 8)),
    )


def _speakers() -> str:
    head = (
        "conversations",
        "speakers (labels told)",
        "diarization error: missed + false + confused",
        "where several speak at once",
        "words of the wrong speaker",
        "cpWER",
        "CPU ms a second, with / without",
    )
    return table(head, (_row(kind, row) for kind, row in results("speakers").items()))


def _row(kind: str, row: dict[str, Any]) -> tuple[str, ...]:
    parts = (row[f"{part}_percent"] for part in ("missed", "false_alarm", "confused"))
    overlap = f"{fixed(row['overlap_der_percent'], 0)} % of {fixed(row['overlap_s'], 0)} s"
    return (
        f"{row['conversations']} × {kind} ({fixed(row['minutes'], 1)} minutes)",
        f"{row['speakers']} ({row['labels']})",
        f"**{fixed(row['der_percent'], 1)} %**: {' + '.join(fixed(part, 1) for part in parts)}",
        overlap if row["overlap_s"] else "–",
        f"{fixed(row['wrong_speaker_percent'], 1)} %",
        f"{fixed(row['cpwer_percent'], 1)} %",
        f"{fixed(row['cpu_ms_a_second'], 0)} / {fixed(row['cpu_ms_a_second_without'], 0)}",
    )


def _known() -> str:
    head = (
        "conversations",
        "a known voice takes part: its words that are named",
        "named from the first words on",
        "others' words that get its name",
        "a stranger's voice is known: words that get its name",
        "conversations with such words",
    )
    rows = (
        (
            f"{row['conversations']} × {kind}",
            f"**{fixed(row['own_named_percent'], 1)} %** of {row['own_words']}",
            f"{row['known_from_the_first']} of {row['conversations']}",
            f"{fixed(row['others_named_percent'], 1)} % of {row['others_words']}",
            f"{fixed(row['strangers_named_percent'], 1)} % of {row['strangers_words']}",
            f"{row['with_a_stranger_named']} of {row['conversations']}",
        )
        for kind, row in results("known_voices").items()
    )
    return table(head, rows)


def _live() -> str:
    head = ("speakers", "CPU ms a second", "by round", "lag p50 / p95", "commit p50 / p95", "lost")
    rows = (
        (
            kind,
            fixed(row["cpu_ms_a_second"], 0),
            ", ".join(fixed(one, 0) for one in row["cpu_ms_a_second_by_round"]),
            _pair(row["lag_ms"]),
            _pair(row["commit_ms"]),
            str(row["lost_samples"]),
        )
        for kind, row in results("speakers_live").items()
    )
    return table(head, rows)


def _pair(times_ms: dict[str, float]) -> str:
    return " / ".join(f"{fixed(one, 0)} ms" for one in times_ms.values())


def _targets() -> str:
    found = results("speakers")
    audio = sum(row["minutes"] for row in found.values())
    extra = sum(
        row["minutes"] * (row["cpu_ms_a_second"] - row["cpu_ms_a_second_without"])
        for row in found.values()
    )
    cost = extra / audio
    same = sum(row["same_words_without"] for row in found.values())
    n = sum(row["conversations"] for row in found.values())
    measured, wanted = reached()
    return (
        "Two readers: diarization error, words of the wrong speaker "
        f"{measured} (targets {wanted}). Telling speakers costs {fixed(cost, 1)} ms of CPU for "
        f"a second of sound (target {target(('≤ 10 ms', cost <= 10))}). The words of {same} of {n} "
        "conversations are the same without.\n"
    )
