"""Results of the emotion classifier, beside their targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.figures import (
    Row,
    between,
    document,
    fixed,
    results,
    target,
)

_CORPORA = "benchmarks.emotion.corpora"
_SHOWN = "benchmarks.emotion.shown"


def rows() -> list[Row]:
    return [
        _shipped(),
        _folds(),
        _others(),
        _browser(),
        _words_without_suppression(),
        _calibration(),
        _false_alarms(),
        _disturbed(),
        _acted(),
        _cost(),
        _steadiness(),
    ]


def recall(found: Mapping[str, Any]) -> str:
    """Mean recall, and its interval when speakers are drawn."""
    low, high = found["uar_ci95_speakers"]
    return f"{fixed(found['uar'], 3)} [{fixed(low, 3)}, {fixed(high, 3)}]"


def false_alarms() -> dict[str, float]:
    """Percent of segments of neutral speech that are shown as emotional, by kind of speech."""
    found = results("emotion_shown")["neutral"]
    return {kind: told["shown_percent"] for kind, told in found.items()}


def _shipped() -> Row:
    found = results("emotion")["test"]
    return Row(
        f"six acted classes, {found['speakers']} CREMA-D speakers never met: mean recall",
        recall(found),
        target(("≥ 0.72", found["uar"] >= 0.72)),
        _CORPORA,
    )


def _folds() -> Row:
    whole, shipped = document("emotion_folds"), results("emotion")
    found, folds = whole["results"]["all_speakers"], whole["results"]["folds"]
    learned = found["speakers"] - folds[0]["speakers"] - whole["parameters"]["dev_speakers"]
    above = found["speakers"] - shipped["test"]["speakers"] - shipped["dev_3s"]["speakers"]
    return Row(
        f"the same recipe trained anew {len(folds)} times, so that all {found['speakers']} "
        "speakers are judged by a network that never met them "
        f"({learned} speakers to learn from; {above} above)",
        f"{recall(found)}, calibration error {fixed(found['ece'], 3)}",
        target(("≥ 0.72", found["uar"] >= 0.72), ("calibration ≤ 0.05", found["ece"] <= 0.05)),
        "benchmarks.emotion.folds",
    )


def _others() -> Row:
    found = results("emotion")["other_sets"]
    ravdess, emodb = found["ravdess"], found["emodb_de"]
    worst = {
        name: min(told["recall"], key=lambda label: told["recall"][label])
        for name, told in found.items()
    }
    return Row(
        "corpora never met, RAVDESS, EMO-DB (German): mean recall, of the worst class",
        "; ".join(
            f"{recall(told)}, {worst[name]} {fixed(told['recall'][worst[name]])}"
            for name, told in (("ravdess", ravdess), ("emodb_de", emodb))
        ),
        target(
            ("≥ 0.55 on RAVDESS", ravdess["uar"] >= 0.55),
            ("≥ 0.20 for each class there", ravdess["recall"][worst["ravdess"]] >= 0.20),
            ("≥ 0.60 on EMO-DB", emodb["uar"] >= 0.60),
        ),
        _CORPORA,
    )


def _browser() -> Row:
    parts = [
        f"{fixed(found['as it is']['uar'], 3)} / {fixed(found['both']['uar'], 3)}, the same label "
        f"for {100 * found['both']['same_label']:.0f} %"
        for found in results("emotion_browser").values()
    ]
    return Row(
        "the same clips as they are / behind a browser's noise suppression and automatic gain, in "
        "quiet; in pink noise: mean recall",
        "; ".join(parts),
        "–",
        "benchmarks.emotion.browser",
    )


def _words_without_suppression() -> Row:
    found = results("emotion_suppression")
    parts = [
        f"in {place} {fixed(told['suppressed_wer_percent'], 1)} → "
        f"{fixed(told['not_suppressed_wer_percent'], 1)} % (more by "
        f"{between(told['more_without_ci95'], 1)})"
        for place, told in found.items()
        if place != "calm"
    ]
    segments = "; ".join(
        f"{how} {told['shown_percent']:.1f} % of {told['segments']}"
        for how, told in (
            ("with it", found["calm"]["both"]),
            ("without", found["calm"]["automatic gain"]),
        )
    )
    return Row(
        "words wrong of read speech, by the draft, with a browser's noise suppression → without; "
        "calm segments shown as emotional",
        f"{'; '.join(parts)}; {segments}",
        "–",
        "benchmarks.emotion.suppression",
    )


def _calibration() -> Row:
    found = results("emotion")
    (live,) = (one for one in found["windows"] if one["window_s"] == 3)
    errors = {
        "CREMA-D 3 s windows": live["ece"],
        "CREMA-D whole clips": found["test"]["ece"],
        "RAVDESS": found["other_sets"]["ravdess"]["ece"],
        "EMO-DB": found["other_sets"]["emodb_de"]["ece"],
    }
    return Row(
        f"calibration error: {', '.join(errors)}",
        ", ".join(fixed(error, 3) for error in errors.values()),
        target(
            ("≤ 0.05 on CREMA-D", max(list(errors.values())[:2]) <= 0.05),
            ("≤ 0.10 on the others", max(list(errors.values())[2:]) <= 0.10),
        ),
        _CORPORA,
    )


def _false_alarms() -> Row:
    found = results("emotion_shown")["neutral"]
    shares = false_alarms()
    minutes = ", ".join(fixed(told["shown_a_minute"]) for told in found.values())
    return Row(
        f"segments of neutral speech that are shown as emotional: {', '.join(shares)}; segments "
        "shown a minute",
        f"{', '.join(fixed(share, 1) for share in shares.values())} %; {minutes}",
        target(("≤ 2 % in each", max(shares.values()) <= 2)),
        _SHOWN,
    )


def _disturbed() -> Row:
    found = results("emotion_disturbed")
    shares = {name: told["shown_percent"] for name, told in found.items()}
    return Row(
        f"segments of read speech that are shown as emotional, disturbed: {'; '.join(shares)}",
        f"{', '.join(fixed(share, 1) for share in shares.values())} %",
        target(("≤ 2 % in each", max(shares.values()) <= 2)),
        "benchmarks.emotion.disturbed",
    )


def _acted() -> Row:
    found = results("emotion_shown")["acted"]
    parts = [
        found[name] for name in ("crema_d_test_strong", "crema_d_test_clear", "ravdess_strong")
    ]
    whole = [found[name] for name in ("crema_d_test", "crema_d_test_suppressed")]
    return Row(
        "segments of strongly acted speech that are shown as emotional / rightly, of those shown: "
        "CREMA-D, its test speakers asked to act strongly; those whom most listeners understood; "
        "RAVDESS, strong; all that CREMA-D's test speakers act; the same behind a browser",
        "; ".join(f"{fixed(p['shown'])} / {fixed(p['right_of_shown'])}" for p in (*parts, *whole)),
        target(
            ("≥ 0.5 shown", min(part["shown"] for part in parts) >= 0.5),
            ("≥ 0.8 of them rightly", min(part["right_of_shown"] for part in parts) >= 0.8),
        ),
        _SHOWN,
    )


def _cost() -> Row:
    cpu = results("emotion")["one_thread_ms"]["cpu"]["p50"]
    return Row(
        "one 3 s window, CPU time of one core, p50",
        f"{fixed(cpu, 1)} ms",
        target(("≤ 12 ms", cpu <= 12)),
        _CORPORA,
    )


def _steadiness() -> Row:
    changes = results("emotion_live")["track"]["changes_per_3s"]
    return Row(
        "live label changes in 3 s of steady acted speech",
        fixed(changes),
        target(("≤ 1", changes <= 1)),
        "benchmarks.emotion.live",
    )
