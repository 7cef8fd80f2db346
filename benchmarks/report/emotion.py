"""Results of the emotion classifier."""

from __future__ import annotations

from typing import Any

from benchmarks.report.figures import (
    Row,
    Tables,
    between,
    document,
    fixed,
    results,
    table,
    target,
)

_CORPORA = "benchmarks.emotion.corpora"
_SHOWN = "benchmarks.emotion.shown"


def tables() -> Tables:
    """Of studies, in `docs/research.md`."""
    return {
        "emotion across corpora": _across_corpora,
        "emotion of frozen layers": _frozen_layers,
        "height above the room": _rooms,
        "floors of noise": _floors,
        "floor of noise, judged": _judged_floor,
    }


def rows() -> list[Row]:
    return [
        _shipped(),
        _folds(),
        _others(),
        _browser(),
        _words_without_suppression(),
        _calibration(),
        _false_alarms(),
        _acted(),
        _cost(),
        _steadiness(),
    ]


def recall(found: dict[str, Any]) -> str:
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
        target(("≥ 0.70", found["uar"] >= 0.70)),
        _CORPORA,
    )


def _folds() -> Row:
    whole, shipped = document("emotion_folds"), results("emotion")
    found, folds = whole["results"]["all_speakers"], whole["results"]["folds"]
    learned = found["speakers"] - folds[0]["speakers"] - whole["parameters"]["dev_speakers"]
    above = found["speakers"] - shipped["test"]["speakers"] - shipped["dev_3s"]["speakers"]
    return Row(
        f"the same recipe trained anew {len(folds)} times, so that all {found['speakers']} "
        f"speakers are judged by a network that never met them ({learned} speakers to learn from; "
        f"{above} above)",
        f"{recall(found)}, calibration error {fixed(found['ece'], 3)}",
        target(("≥ 0.70", found["uar"] >= 0.70)),
        "benchmarks.emotion.folds",
    )


def _others() -> Row:
    found = results("emotion")["other_sets"]
    ravdess, emodb = found["ravdess"], found["emodb_de"]
    return Row(
        "corpora never met: RAVDESS, EMO-DB (German): mean recall",
        f"{fixed(ravdess['uar'], 3)} (sad {fixed(ravdess['recall']['sad'])}, happy "
        f"{fixed(ravdess['recall']['happy'])}), {fixed(emodb['uar'], 3)}",
        target(("≥ 0.50", min(ravdess["uar"], emodb["uar"]) >= 0.50)),
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
        "words wrong of read speech, by the draft, with a browser's noise suppression → without "
        "(as the page has it where the emotion of everything is shown); calm segments shown as "
        "emotional",
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
            ("≤ 0.05 on the others", max(list(errors.values())[2:]) <= 0.05),
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


def _acted() -> Row:
    found = results("emotion_shown")["acted"]
    strong, clear, other = (
        found[name] for name in ("crema_d_test_strong", "crema_d_test_clear", "ravdess_strong")
    )
    parts = (strong, clear, other)
    return Row(
        "segments of strongly acted speech that are shown as emotional / rightly, of those shown: "
        "CREMA-D, its test speakers asked to act strongly; those whom most listeners understood; "
        "RAVDESS, strong",
        "; ".join(f"{fixed(p['shown'])} / {fixed(p['right_of_shown'])}" for p in parts),
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


def _across_corpora() -> str:
    matrix = results("research/emotion_cross")["trained_on_then_tested_on"]
    names = {"crema_d": "CREMA-D", "ravdess": "RAVDESS", "emodb_de": "EMO-DB"}
    rows = (
        (f"**{name}**", *(fixed(matrix[trained][tested], 2) for tested in names))
        for trained, name in names.items()
    )
    return table(("trained on ↓, tested on →", *names.values()), rows)


def _frozen_layers() -> str:
    corpora = {"crema_d": "CREMA-D", "ravdess": "RAVDESS", "emodb_de": "EMO-DB"}
    rows = (
        (
            name,
            row["learned_from"],
            *(fixed(row[corpus], 2) if corpus in row else "–" for corpus in corpora),
        )
        for name, row in results("research/emotion_layers").items()
    )
    return table(("states of Whisper base", "learned from", *corpora.values()), rows)


def _rooms() -> str:
    found = results("research/emotion_rooms")
    kinds = (*found["crema_d"], "read")
    names = {"crema_d": "CREMA-D", "ravdess": "RAVDESS", "emodb_de": "EMO-DB"}
    rows = (
        (
            names.get(corpus, f"`{corpus}`"),
            *(fixed(told[kind]["median_db"], 0) if kind in told else "–" for kind in kinds),
        )
        for corpus, told in found.items()
    )
    return table(("median, dB", *kinds), rows)


def _floors() -> str:
    hearings = ("as it is", "suppressed")
    rows = (
        (name, *(fixed(told[how]["uar"], 2) for how in hearings))
        for name, told in results("research/emotion_floor_dev").items()
    )
    return table(("noise below the window", "as recorded", "behind noise suppression"), rows)


def _judged_floor() -> str:
    found = results("research/emotion_floor")
    names = {
        "test": "CREMA-D test speakers",
        "test, suppressed": "the same, behind noise suppression",
        "ravdess": "RAVDESS",
        "emodb_de": "EMO-DB",
        "tess": "TESS",
    }
    rows = (
        (
            name,
            *(recall(told[corpus]) for told in found.values()),
            *(_worst(told[corpus]["recall"]) for told in found.values()),
            *(fixed(told[corpus]["ece"], 3) for told in found.values()),
        )
        for corpus, name in names.items()
    )
    parts = ("mean recall", "worst class", "calibration error")
    return table(("", *(f"{part}, {name}" for part in parts for name in found)), rows)


def _worst(recalls: dict[str, float]) -> str:
    name = min(recalls, key=lambda label: recalls[label])
    return f"{name} {fixed(recalls[name])}"
