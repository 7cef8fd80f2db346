"""Results of serving: delays, sessions, CPU time, memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.figures import (
    Row,
    Tables,
    difference,
    document,
    fixed,
    pair,
    results,
    signed,
    table,
    target,
)

_LATENCY = "benchmarks.serving.latency"
_LOAD = "benchmarks.serving.load --seconds 20"


def rows() -> list[Row]:
    return [*_live(), *_commits(), *_load(), *_cost(), *_hours()]


def tables() -> Tables:
    """Of clusters."""
    return {"cluster changes": _cluster_changes, "replicas": _replicas}


def rounds(kind: str) -> dict[int, dict[str, Any]]:
    """Of the server with the LLM (`llm`) or without (`no_llm`), by the number of sessions."""
    return {one["sessions"]: one for one in results("load")[kind]["rounds"]}


def _live() -> list[Row]:
    draft, fused, balanced = (results("latency")[name] for name in ("draft", "fused", "balanced"))
    stages = fused["stages_ms"]
    later = fused["commit_delay_ms"]["p95"] - draft["commit_delay_ms"]["p95"]

    def all_three(key: str, unit: str) -> str:
        heard = f"with the second listener (balanced) {pair(balanced[key], unit)}"
        return f"draft {pair(draft[key], unit)}, fused {pair(fused[key], unit)}, {heard}"

    def worst(key: str) -> float:
        return max(float(one[key]["p95"]) for one in (draft, fused, balanced))

    return [
        Row(
            "live, one session: lag, p50 / p95",
            all_three("lag_ms", "ms"),
            target(("p95 ≤ 500 ms", worst("lag_ms") <= 500)),
            _LATENCY,
        ),
        Row(
            "live, one session: tentative word after it was spoken, p50 / p95",
            all_three("tentative_delay_ms", "ms"),
            target(("p95 ≤ 350 ms", worst("tentative_delay_ms") <= 350)),
            _LATENCY,
        ),
        Row(
            "live, one session: committed word after it was spoken, p50 / p95",
            all_three("commit_delay_ms", "s"),
            "–",
            _LATENCY,
        ),
        Row(
            "live, one session: final segment after its last word, p50 / p95 (0.8 s of it is the "
            "silence that ends a segment)",
            all_three("final_delay_ms", "s"),
            "–",
            _LATENCY,
        ),
        Row(
            "live, one session: what the LLM adds to a step that asks it, p95",
            f"{fixed(stages['llm']['p95'], 0)} ms; with the search for its hypotheses "
            f"{fixed(stages['fuse']['p95'], 0)} ms; words are committed {fixed(later / 1000)} s "
            "later at p95",
            target(("≤ 150 ms", stages["fuse"]["p95"] <= 150)),
            _LATENCY,
        ),
    ]


def _commits() -> list[Row]:
    clips = results("accuracy")["all"]
    chapters = results("dev-chapters/accuracy")["longform librispeech_dev_clean_mp3"]
    delays = {
        (name, system): found["systems"][system]["commit_delay_ms"]
        for name, found in (("clips", clips), ("chapters", chapters))
        for system in ("draft", "fused")
    }
    curve = results("commit_curve")["all"]
    chosen = {rule["family"]: rule for rule in curve["rules"] if rule["default"]}
    plain = [rule for rule in curve["rules"] if rule["family"] == "plain agreement"][-1]
    final = chosen["draft"]["final_delay_ms"]

    def over(rule: dict[str, Any]) -> str:
        delay = fixed(rule["commit_delay_ms"]["p50"] / 1000)
        return f"{difference(rule['over_offline'])} at {delay} s"

    return [
        Row(
            "words committed after their end on the session clock, without computing, p50 / p95",
            "; ".join(
                f"{found['recordings']} {name}: draft {pair(delays[name, 'draft'], 's')}, fused "
                f"{pair(delays[name, 'fused'], 's')}"
                for name, found in (("clips", clips), ("chapters", chapters))
            ),
            target(
                ("p50 ≤ 1.0 s", max(one["p50"] for one in delays.values()) <= 1_000),
                ("p95 ≤ 1.5 s", max(one["p95"] for one in delays.values()) <= 1_500),
            ),
            "benchmarks.quality.accuracy --clips 150 --longform 24",
        ),
        Row(
            f"the commit rule against plain agreement of {plain['knob']}, {curve['recordings']} "
            "clips: WER over whole clips at p50 delay",
            f"draft {over(chosen['draft'])}, plain {over(plain)}; fused over whole clips *fused* "
            f"{over(chosen['fused'])}",
            target(
                ("draft ≤ +0.5", chosen["draft"]["over_offline"]["wer_points"] <= 0.5),
                ("fused ≤ +0.3", chosen["fused"]["over_offline"]["wer_points"] <= 0.3),
            ),
            "benchmarks.quality.commit_curve --clips 30",
        ),
        Row(
            "final segment behind the silence that ends it, p50 / p95 (in one process, computing "
            "included)",
            pair(final),
            target(("p95 ≤ 400 ms", final["p95"] <= 400)),
            "benchmarks.quality.commit_curve --clips 30",
        ),
    ]


def _load() -> list[Row]:
    kinds = ("no_llm", "llm", "balanced")
    carried = {kind: results("load")[kind]["sessions_carried"] for kind in kinds}

    def lags(kind: str) -> str:
        counts = (carried[kind] // 2, carried[kind])
        return ", ".join(f"{n}: {fixed(rounds(kind)[n]['lag_ms']['p95'], 0)} ms" for n in counts)

    pauses = rounds("llm")[carried["llm"]]["llm_pauses"]
    with_llm, without, balanced = rounds("llm"), rounds("no_llm"), rounds("balanced")
    most = max(count for count in with_llm if count <= carried["llm"])
    return [
        Row(
            "live sessions on 2 cores, p95 lag, no audio lost",
            f"without the LLM {lags('no_llm')}; with it {lags('llm')} (which paused the LLM "
            f"{'once' if pauses == 1 else f'{pauses} times'}); with the second listener (balanced) "
            f"{lags('balanced')}",
            target(
                ("12 without the LLM within 1 s", carried["no_llm"] >= 12),
                ("8 with it", carried["llm"] >= 8),
            ),
            _LOAD,
        ),
        Row(
            "peak memory of the server, one session",
            f"{_gigabytes(with_llm[1])} with the LLM ({_gigabytes(with_llm[most])} with {most} "
            f"sessions), {_gigabytes(without[1])} without, {_gigabytes(balanced[1])} with the "
            "second listener too",
            target(
                ("≤ 2.5 GB", with_llm[1]["peak_rss_mb"] <= 2_500),
                ("≤ 1 GB without", without[1]["peak_rss_mb"] <= 1_000),
            ),
            _LOAD,
        ),
        Row(
            f"memory of one session more, up to {most}: with the LLM, without",
            f"{_growth(with_llm, most)}, {_growth(without, most)}",
            "–",
            _LOAD,
        ),
    ]


def _growth(rounds: dict[int, dict[str, Any]], most: int) -> str:
    """Of the peak, for each session beyond the first."""
    grown_mb = rounds[most]["peak_rss_mb"] - rounds[1]["peak_rss_mb"]
    return f"{fixed(grown_mb / (most - 1), 0)} MB"


def _gigabytes(one: dict[str, Any]) -> str:
    return f"{fixed(one['peak_rss_mb'] / 1000)} GB"


def _cost() -> list[Row]:
    peers, llm = results("peers")["peers"], results("llm_cost")
    served = ", ".join(
        f"{fixed(peers[f'streamer {name}']['cpu_s_per_audio_s'], 3)} {name}"
        for name in ("draft", "fused")
    )
    profiles = ", ".join(
        " → ".join(
            fixed(results(f"profile-{label}-{name}")["cpu_s_per_audio_s"], 3)
            for label in ("before", "after")
        )
        + f" {name}"
        for name in ("draft", "fused")
    )
    agreed = llm["agreement"]
    return [
        Row(
            "CPU seconds for a second of audio, one session, in the server",
            served,
            "–",
            "benchmarks.serving.peers",
        ),
        Row(
            "the same in one process: with the shipped encoder and the LLM in transformers → now",
            profiles,
            "–",
            "benchmarks.profiling.profile --label after --decoder draft",
        ),
        Row(
            "the LLM's answer to one question, CPU time: transformers in bfloat16 → our graphs",
            f"{fixed(llm['transformers']['cpu_ms_mean'], 0)} → "
            f"{fixed(llm['graphs']['cpu_ms_mean'], 0)} ms, {agreed['same_decisions']} of "
            f"{agreed['decisions']} decisions alike",
            "–",
            "benchmarks.profiling.llm_cost",
        ),
    ]


def _hours() -> list[Row]:
    session, parameters = results("endurance"), document("endurance")["parameters"]
    first, last = session["first_quarter"], session["last_quarter"]
    files = sorted(results("long_files").values(), key=lambda one: float(one["minutes"]))
    longest = files[-1]
    readings = longest["rss_mb"]
    later = readings[len(readings) // 4 :]
    return [
        Row(
            f"one session of {parameters['minutes'] / 60:g} hours ({parameters['decoder']}): a "
            "step's CPU time and memory, first and last quarter (other work beside it)",
            f"{fixed(first['step_cpu_ms_p50'], 1)} → {fixed(last['step_cpu_ms_p50'], 1)} ms, "
            f"{fixed(first['rss_mb'], 0)} → {fixed(last['rss_mb'], 0)} MB "
            f"({signed(session['growth_per_hour']['rss_mb'], 1)} MB an hour)",
            "flat over 2 h",
            "benchmarks.serving.endurance --minutes 120",
        ),
        Row(
            "`streamer transcribe` of a file of "
            + " and of ".join(f"{one['minutes']:g} minutes" for one in files)
            + ", draft: peak memory",
            ", ".join(f"{fixed(one['peak_rss_mb'], 0)} MB" for one in files)
            + f" (its last three quarters: {fixed(min(later), 0)} to {fixed(max(later), 0)} MB)",
            "constant",
            "benchmarks.serving.long_files",
        ),
    ]


def _cluster_changes() -> str:
    head = (
        "what was done",
        "somebody behind by > 1 s, for so long, s",
        "how many sessions",
        "behind in that time, p50 / p95",
        "most",
        "two replicas again after, s",
    )
    rows = []
    for name, label in (("cluster_changes", ""), ("cluster_changes_store", ", with a store")):
        found = results(f"avx2/{name}")
        for change, one in found["changes"].items():
            rows.append(
                (
                    f"{change}{label}",
                    fixed(one["window_s"], 1),
                    f"{one['sessions_behind']} of {found['sessions']}",
                    _lags(one["behind_ms"]),
                    f"{fixed(one['behind_ms_max'], 0)} ms",
                    fixed(one["replicas_whole_after_s"], 1),
                )
            )
        outside = found["outside_windows"]
        seconds = f"{fixed(outside['seconds'], 0)} s besides{label}"
        rows.append((seconds, "–", "–", _lags(outside["behind_ms"]), "–", "–"))
    return table(head, rows)


def _replicas() -> str:
    head = (
        "replicas, as many cores",
        "sessions",
        "lag p50 / p95",
        "samples lost",
        "share of the cores: replicas, speakers, proxy and Ray",
    )
    rows = []
    for replicas, outcome in results("avx2/replicas").items():
        for one in outcome["rounds"]:
            shares = one["share_of_the_cores"].values()
            rows.append(
                (
                    replicas,
                    str(one["sessions"]),
                    _lags(one["lag_ms"]),
                    str(one["lost_samples"]),
                    ", ".join(f"{fixed(100 * share, 0)} %" for share in shares),
                )
            )
    return table(head, rows)


def _lags(stats: Mapping[str, float]) -> str:
    return pair(stats) if stats else "–"
