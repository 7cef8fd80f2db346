"""The table of who speaks."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import Any

from benchmarks.report.figures import Tables, fixed, results, signed, table, target

TARGETED = "2 readers"


def tables() -> Tables:
    return {
        "speakers": _speakers,
        "speaker targets": _targets,
        "known voices": _known,
        "speakers live": _live,
        "speaker likeness": _likeness,
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
    found = results("speakers_live")
    rows = (
        (
            kind,
            fixed(found[kind]["cpu_ms_a_second"], 0),
            ", ".join(fixed(one, 0) for one in found[kind]["cpu_ms_a_second_by_round"]),
            _pair(found[kind]["lag_ms"]),
            _pair(found[kind]["commit_ms"]),
            str(found[kind]["lost_samples"]),
        )
        for kind in ("without", "with")
    )
    compared = found["compared"]
    return table(head, rows) + (
        "\nOf the two turns of a round, the median (least to most): "
        f"CPU × {_spread(compared['cpu_ratio'], fixed, 2)}, "
        f"{_spread(compared['cpu_ms_more'], signed, 1)} ms a second; "
        f"lag {_spread(compared['lag_ms_more'], signed, 0)} ms.\n"
    )


def _spread(found: dict[str, float], written: Callable[[float, int], str], digits: int) -> str:
    middle, least, most = (written(found[name], digits) for name in ("median", "min", "max"))
    return f"{middle} ({least} to {most})"


def _likeness() -> str:
    found = results("research/speaker_options")
    kinds = list(next(iter(found.values())))
    rows = (
        (
            value,
            *(
                f"{fixed(one['confused_percent'], 1)} % ({one['labels']} of {one['speakers']})"
                for one in by_kind.values()
            ),
        )
        for value, by_kind in found.items()
    )
    return table(("likeness (`same`)", *kinds), rows)


def _pair(times_ms: dict[str, float]) -> str:
    return " / ".join(f"{fixed(one, 0)} ms" for one in times_ms.values())


def _targets() -> str:
    measured, wanted = reached()
    cost, more, n, same = _cost("speakers_cost")
    here, more_here, n_here, same_here = _cost("speakers")
    return (
        "Two readers: diarization error, words of the wrong speaker "
        f"{measured} (targets {wanted}). Telling speakers costs {more} ms of CPU for a second of "
        f"sound (target {_at_most_10_ms(cost)}); on the machine of this table, which has AVX2 "
        f"alone and had other work to do, {more_here} ms (target {_at_most_10_ms(here)}). Of "
        f"{n + n_here} conversations that were heard without speakers too the words of "
        f"{same + same_here} are the same.\n"
    )


def _at_most_10_ms(cost: float) -> str:
    return target(("≤ 10 ms", cost <= 10))


def _cost(name: str) -> tuple[float, str, int, int]:
    """Milliseconds more for a second of sound, also as documents write it; conversations that were
    heard both ways, and those of them with the same words."""
    rows = results(name).values()
    # Those of a kind are about as long as one another.
    compared = [row.get("compared", row["conversations"]) for row in rows]
    weights = [
        row["minutes"] * n / row["conversations"] for row, n in zip(rows, compared, strict=True)
    ]
    more = [row["cpu_ms_a_second"] - row["cpu_ms_a_second_without"] for row in rows]
    cost = sum(map(mul, weights, more)) / sum(weights)
    return cost, fixed(cost, 1), sum(compared), sum(row["same_words_without"] for row in rows)
