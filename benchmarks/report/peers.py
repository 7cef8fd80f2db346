"""The tables of `docs/peers.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.report.figures import Tables, document, fixed, pair, results, table

_COLUMNS: Final = (
    "peer",
    "WER %",
    "CPU s / audio s",
    "peak MB",
    "first text",
    "word shown p50 / p95",
    "word committed p50 / p95",
    "final p50 / p95",
    "changed words / word",
    "of these committed",
    "updates / s",
    "sessions",
)
_OURS: Final = "streamer "


def tables() -> Tables:
    return {
        "peers heard": lambda: _heard(document("peers")["parameters"]),
        "peers": lambda: _figures(results("peers")),
        "peers' settings": lambda: _settings(results("peers")),
        "peers' targets": lambda: _targets(results("peers")),
        "peers' word times": _word_times,
    }


def summary(parameters: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """All of it, for those who have just measured."""
    return "\n".join((_heard(parameters), _figures(found), _settings(found), _targets(found)))


def _heard(parameters: Mapping[str, Any]) -> str:
    """What all peers heard."""
    times = "once" if parameters["repeat"] == 1 else f"{parameters['repeat']} times"
    return (
        f"{parameters['clips']} utterances of {', '.join(parameters['speech'])}: "
        f"{fixed(parameters['audio_s'], 0)} s with the silence behind them, heard {times} by "
        "each; delays in milliseconds.\n"
    )


def _figures(found: Mapping[str, Any]) -> str:
    """All peers side by side."""
    return table(_COLUMNS, (_row(name, one) for name, one in found["peers"].items()))


def _settings(found: Mapping[str, Any]) -> str:
    """How each peer ran, and which could not be run."""
    rows = [
        (name, str(one.get("version", "–")), one["settings"])
        for name, one in found["peers"].items()
    ]
    rows += [(name, "–", f"not run: {why}") for name, why in found["not_run"].items()]
    return table(("peer", "version", "settings"), rows)


def _targets(found: Mapping[str, Any]) -> str:
    """What was set out to be reached beside the peers."""
    rows = (
        (one["target"], one["measured"], "met" if one["met"] else "**not met**")
        for one in found["targets"]
    )
    return table(("target", "measured", "reached"), rows)


def _row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    shown = f"**{name}**" if name.startswith(_OURS) else name
    if "wer_percent" not in one:
        failed = f"failed: {one.get('failure', 'unknown')}"
        return (shown, failed, *["–"] * (len(_COLUMNS) - 2))
    carried = one["sessions_carried"]
    return (
        shown,
        fixed(one["wer_percent"], 1),
        fixed(one["cpu_s_per_audio_s"], 3),
        fixed(one["peak_rss_mb"], 0),
        fixed(one["first_text_ms"]["p50"], 0) if one["first_text_ms"] else "–",
        *(
            pair(one[f"{delay}_ms"]).removesuffix(" ms") if one[f"{delay}_ms"] else "–"
            for delay in ("shown_delay", "committed_delay", "final_delay")
        ),
        fixed(one["changed_words_per_word"]),
        fixed(one["broken_words_per_word"]),
        fixed(one["updates_per_s"], 1),
        "–" if carried is None else str(carried),
    )


def _word_times() -> str:
    found = results("peers")["word_times"]
    rows = []
    for name, what in (
        ("ends_of_clips_against_energy_ms", "where the sound ends (last words, breaths included)"),
        (
            "word_ends_against_whisper_tiny_en_ms",
            "ends of words by Whisper tiny.en's cross-attention",
        ),
    ):
        off = found[name]
        rows.append(
            (
                what,
                str(off["words"]),
                fixed(off["median"], 0),
                pair(off["absolute"]).removesuffix(" ms"),
            )
        )
    head = ("held against", "words", "ours later, median ms", "apart, p50 / p95 ms")
    return table(head, rows)
