"""Results of the campaign: what strangers and bad luck did to a running server."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.report.figures import Row, fixed, results, table, target

_KILLS: Final = "tests.campaign.kills --kills 20"
_SOAK: Final = "tests.campaign.soak --minutes 120"
_DOSES: Final = {
    "messages": "messages",
    "handshakes": "handshakes",
    "sockets": "connections",
    "websockets": "websockets",
    "pings": "pings",
    "uploads": "uploads",
    "busy_processes": "busy processes",
    "sessions": "sessions",
    "cuts": "cuts",
}


def table_of_attacks() -> str:
    """Every attack, and how a healthy session beside it fared."""
    found = results("campaign/campaign")
    head = ("attack", "how much", "s", "lag beside it, p95", "memory after it", "what else")
    text = table(head, [_attack(row) for row in found["attacks"]])
    faults = found["faults"]
    return text + f"\nFaults found: {'; '.join(faults) if faults else 'none'}.\n"


def _attack(row: dict[str, Any]) -> tuple[str, ...]:
    doses = [f"{row[key]:,} {name}" for key, name in _DOSES.items() if key in row]
    lag = row.get("healthy_lag_p95_ms")
    said = {
        "no_close_frame": "{} without a close frame",
        "newcomer_slowest_s": "a newcomer waits {} s at most",
        "slowest_s": "answered within {} s",
        "lag_afterwards_ms": "{} ms late afterwards, at most",
        "sessions_without_words": "{} sessions without words",
        "lost_samples": "{} samples lost",
    }
    told = [
        text.format(fixed(row[key], 0 if key.endswith(("ms", "frame", "words", "samples")) else 2))
        for key, text in said.items()
        if key in row
    ]
    return (
        row["attack"],
        ", ".join(doses) or "–",
        fixed(row["seconds"], 0) if "seconds" in row else "–",
        "–" if lag is None else f"{fixed(lag, 0)} ms",
        f"{row['memory_growth_mb']:+.1f} MB".replace("-", "−"),
        "; ".join(told) or "–",
    )


def rows() -> list[Row]:
    """Servers that are killed, and one that runs for hours."""
    with_store, without = results("campaign/kills"), results("campaign/kills_without_store")
    soak, cuts = results("campaign/soak"), results("campaign/long_cuts")
    lengths = ", ".join(fixed(cut["cut_s"], 0) for cut in cuts["cuts"])
    early, late = (soak["settled"][name] for name in ("first_10_min", "last_10_min"))
    return [
        _killed("with `--store`", with_store, _KILLS),
        _killed("without it, as the client replays", without, f"{_KILLS} --no-store"),
        Row(
            f"live speech over a network that is gone for {lengths} s: samples lost; words unlike "
            f"those of an uncut session, of {cuts['words']}",
            f"{', '.join(str(cut['lost_samples']) for cut in cuts['cuts'])}; "
            f"{', '.join(str(cut['unlike_uncut']) for cut in cuts['cuts'])}",
            target(
                ("0", not any(cut["lost_samples"] for cut in cuts["cuts"])),
                ("0", not any(cut["unlike_uncut"] for cut in cuts["cuts"])),
            ),
            "tests.campaign.long_cuts",
        ),
        Row(
            f"{soak['sessions']} sessions for {fixed(soak['seconds'] / 3600, 0)} hours, "
            f"{soak['cuts']:,} cuts: samples lost; words unlike those of an uncut session, of "
            f"{soak['compared_words']:,} compared in each",
            f"{soak['lost_samples']}; {max(soak['words_unlike_uncut'])}",
            target(("0", soak["lost_samples"] == 0), ("0", not any(soak["words_unlike_uncut"]))),
            _SOAK,
        ),
        Row(
            "its memory, minutes 11 to 20 → the last ten",
            f"{fixed(early['memory_mb'], 0)} → {fixed(late['memory_mb'], 0)} MB",
            target(("flat: + 20 MB at most", late["memory_mb"] - early["memory_mb"] <= 20)),
            _SOAK,
        ),
        Row(
            "its steps, p50: minutes 11 to 20 → the last ten; computing for a second of audio",
            f"{fixed(early['step_p50_ms'], 0)} → {fixed(late['step_p50_ms'], 0)} ms; "
            f"{fixed(early['computing'], 3)} → {fixed(late['computing'], 3)} s",
            target(
                ("flat: + 10 % computing at most", late["computing"] <= 1.1 * early["computing"])
            ),
            _SOAK,
        ),
    ]


def _killed(how: str, found: dict[str, Any], command: str) -> Row:
    harm = [found[name] for name in ("lost", "changed", "doubled")]
    return Row(
        f"{found['kills']} kills in mid-speech, {how}: committed words lost, changed, told "
        f"twice, of {found['committed_words']:,}; words heard otherwise undisturbed",
        f"{', '.join(map(str, harm))}; {found['unlike_undisturbed']}",
        target(("0, 0, 0", not any(harm))),
        command,
    )
