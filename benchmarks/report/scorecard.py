"""The scorecard of `README.md`."""

from __future__ import annotations

from benchmarks.report.emotion.rows import false_alarms, recall
from benchmarks.report.figures import Tables, fixed, pair, results, table, target
from benchmarks.report.recognition import errors
from benchmarks.report.serving import rounds
from benchmarks.report.settings import of_low
from benchmarks.report.speakers import reached


def tables() -> Tables:
    return {"scorecard": _scorecard}


def _scorecard() -> str:
    rows = (
        _continuous(),
        _clips(),
        _non_native(),
        _settings(),
        _languages(),
        _delays(),
        _sessions(),
        _cost(),
        _emotion(),
        _speakers(),
        _memory(),
    )
    return table(("", "measured", "target"), rows)


def _continuous() -> tuple[str, str, str]:
    found = results("dev-chapters/accuracy")["longform librispeech_dev_clean_mp3"]
    reached = found["comparisons"]["fused - draft"]["ratio"]
    return (
        f"WER, continuous read speech ({fixed(found['audio_minutes'] / 60, 1)} hours, "
        f"{found['speakers']} readers), draft → with the LLM",
        f"**{errors(found, 'draft', 'fused')}** (× {fixed(reached)})",
        target(("≤ × 0.75", reached <= 0.75)),
    )


def _clips() -> tuple[str, str, str]:
    found = results("accuracy")["all"]
    reached = found["comparisons"]["fused - draft"]["ratio"]
    return (
        f"WER, {found['recordings']} single sentences",
        f"{errors(found, 'draft', 'fused')} (× {fixed(reached)})",
        target(("≤ × 0.75", reached <= 0.75)),
    )


def _non_native() -> tuple[str, str, str]:
    found = results("non-native/accuracy")["speechocean762"]
    compared = found["comparisons"]["fused - draft"]
    return (
        f"WER, {found['recordings']} sentences of non-native readers",
        f"{errors(found, 'draft', 'fused')} (× {fixed(compared['ratio'])})",
        target(("better", compared["wer_points_ci95"][1] < 0)),
    )


def _languages() -> tuple[str, str, str]:
    found = results("languages")
    german, named = found["languages"]["de"], found["named"]
    live = german["ways"]["live"]["error_percent"]
    share = named["right"] / max(1, named["clips"])
    return (
        f"WER, German, live, {german['clips']} read clips; language named right, clips of 5 s or "
        "more",
        f"{fixed(live, 1)} %; {named['right']} of {named['clips']}",
        target(("≤ 30 %", live <= 30), ("≥ 95 %", share >= 0.95)),
    )


def _settings() -> tuple[str, str, str]:
    every = {name: one for name, one in results("settings").items() if name != "all"}
    found = results("settings")["all"]
    systems = {name: found["systems"][name] for name in ("low", "balanced")}
    compared = of_low(found, "balanced")
    kinds = sum(not name.startswith("longform") for name in every)
    cost = systems["balanced"]["cpu_s_per_audio_s"]
    return (
        f"WER, {found['recordings']} recordings of {kinds} kinds (read, non-native, meetings, "
        "calls, dictation, noise): draft and LLM → with the second listener, as by default; CPU s "
        "for a second",
        f"**{errors(found, 'low', 'balanced')}** (× {fixed(compared['ratio'])}); "
        + " → ".join(fixed(one["cpu_s_per_audio_s"]) for one in systems.values()),
        target(("≤ × 0.82", compared["ratio"] <= 0.82), ("≤ 0.35", cost <= 0.35)),
    )


def _delays() -> tuple[str, str, str]:
    found = results("latency")["fused"]
    shown, committed = found["tentative_delay_ms"], found["commit_delay_ms"]
    return (
        "From a word's end until it is shown / committed, live, with the LLM, p50 / p95",
        f"{pair(shown, 's')}; {pair(committed, 's')}",
        target(
            ("shown: p95 ≤ 0.35 s", shown["p95"] <= 350),
            ("committed: ≤ 0.7 / 1.3 s", committed["p50"] <= 700 and committed["p95"] <= 1300),
        ),
    )


def _sessions() -> tuple[str, str, str]:
    found = results("load")
    with_llm, without = (found[kind]["sessions_carried"] for kind in ("llm", "no_llm"))
    return (
        "Live sessions on 2 cores, p95 lag within 1 s, no audio lost",
        f"{with_llm} with the LLM, {without} without",
        target(("≥ 8, ≥ 12", with_llm >= 8 and without >= 12)),
    )


def _cost() -> tuple[str, str, str]:
    peers = results("peers")["peers"]
    costs = {name: one["cpu_s_per_audio_s"] for name, one in peers.items()}
    draft, fused = costs["streamer draft"], costs["streamer fused"]
    rival = costs["moonshine 0.5 s"]
    return (
        "CPU seconds for a second of audio, draft / with the LLM; the nearest peer, same speech "
        "weights",
        f"{fixed(draft, 3)} / {fixed(fused, 3)}; {fixed(rival, 3)}",
        target(("draft ≤ 1/8 of the peer", draft <= rival / 8)),
    )


def _emotion() -> tuple[str, str, str]:
    found = results("emotion")["test"]
    worst = max(false_alarms().values())
    return (
        "Emotion in the voice, six acted classes, speakers never met: mean recall; segments of "
        "neutral speech that are shown as emotional, in the worst of six kinds of speech",
        f"{recall(found)}; {fixed(worst, 1)} %",
        target(("≥ 0.72", found["uar"] >= 0.72), ("≤ 2 %", worst <= 2)),
    )


def _speakers() -> tuple[str, str, str]:
    return (
        "Who speaks, two readers who take turns, never met: diarization error; words given to the "
        "wrong one",
        *reached(),
    )


def _memory() -> tuple[str, str, str]:
    peaks = [rounds(kind)[1]["peak_rss_mb"] / 1000 for kind in ("llm", "no_llm")]
    return (
        "Peak memory of the server, one session, with the LLM / without",
        " / ".join(f"{fixed(peak)} GB" for peak in peaks),
        target(("≤ 2.5 / 1 GB", peaks[0] <= 2.5 and peaks[1] <= 1)),
    )
