"""Tables of the emotion classifier's model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.report.emotion.rows import recall
from benchmarks.report.figures import Tables, fixed, results, signed, table

_SETS: Final = {
    "ravdess": "RAVDESS (calm, surprised left out)",
    "emodb_de": "EMO-DB, German (bored left out)",
}
_EMOTIONS: Final = ("happy", "sad", "angry", "fearful", "disgust")


def tables() -> Tables:
    return {
        "emotion by condition": _conditions,
        "emotion, recall": _recalls,
        "emotion, confusion": _confusion,
        "emotion behind a browser": _browser,
        "emotion, named": _named,
        "emotion, shown from": _thresholds,
        "emotion, live": _live,
        "emotion by what was heard": _heard,
    }


def _sets() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each condition by its name."""
    found = results("emotion")
    yield "CREMA-D test, whole clips", found["test"]
    for part in found["windows"]:
        yield f"… {part['window_s']:g} s windows", part
    yield "… the first second", found["first_second"]
    yield "… telephone band (300-3400 Hz)", found["telephone_band"]
    for part in found["white_noise"]:
        yield f"… white noise at {part['snr_db']:g} dB", part
    for name, title in _SETS.items():
        yield title, found["other_sets"][name]
    yield "CREMA-D dev, 3 s windows", found["dev_3s"]


def _conditions() -> str:
    head = ("set", "clips", "speakers", "UAR", "F1", "ECE", "confidence − accuracy", "named")
    rows = (
        (
            name,
            str(part["clips"]),
            str(part["speakers"]),
            recall(part),
            fixed(part["macro_f1"], 3),
            fixed(part["ece"], 3),
            signed(part["overconfidence"], 3),
            fixed(part["named_share"]),
            fixed(part["accuracy_of_named"]),
        )
        for name, part in _sets()
    )
    return table((*head, "right, of named"), rows)


def _recalls() -> str:
    found = results("emotion")
    sets = {"CREMA-D test": found["test"]}
    sets |= {name.split(",")[0].split(" (")[0]: found["other_sets"][k] for k, name in _SETS.items()}
    labels = list(found["test"]["recall"])
    rows = ((name, *(fixed(part["recall"][one]) for one in labels)) for name, part in sets.items())
    return table(("recall", *labels), rows)


def _confusion() -> str:
    found = results("emotion")["confusion"]
    rows = zip(found["labels"], found["table"], strict=True)
    return table(("", *found["labels"]), ((f"**{name}**", *map(str, row)) for name, row in rows))


def _browser() -> str:
    found = results("emotion_browser")
    labels = list(found["quiet"]["as it is"]["recall"])
    rows = (
        (f"in {place}, {how}", recall(told), *(fixed(told["recall"][one]) for one in labels))
        for place, hearings in found.items()
        for how, told in hearings.items()
    )
    return table(("test speakers", "UAR", *(f"recall, {one}" for one in labels)), rows)


def _named() -> str:
    rows = (
        (fixed(row["unknown_below"]), fixed(row["named_share"]), fixed(row["accuracy_of_named"]))
        for row in results("emotion")["dev_3s_unknown"]
    )
    return table(("unknown below", "share named", "accuracy of the named"), rows)


def _thresholds() -> str:
    found = results("emotion_thresholds")
    head = ("emotion", "shown from", "of calm segments, %", "of those that act it", "right")
    rows = []
    for name in _EMOTIONS:
        level = found[name]["shown_from"]
        (at,) = (row for row in found[name]["tried"] if row["threshold"] == level)
        calm = fixed(100 * at["calm"])
        rows.append((name, fixed(level), calm, fixed(at["of_acted_so"]), fixed(at["right"])))
    return table(head, rows)


def _live() -> str:
    names = {"bare_windows": "bare windows", "track": "EmotionTrack"}
    head = ("right, of all", "right, of named", "unknown", "label changes in 3 s of steady speech")
    keys = ("right_share_of_all", "right_share_of_named", "unknown_share", "changes_per_3s")
    found = results("emotion_live")
    rows = (
        (
            title,
            *(fixed(found[name][key]) for key in keys),
            fixed(found[name]["turns_found_share"]),
            f"{fixed(found[name]['median_delay_s'], 1)} s",
        )
        for name, title in names.items()
    )
    return table(("", *head, "turns found", "median delay"), rows)


def _heard() -> str:
    rows = (
        (
            f"{fixed(row['mean_heard_s'], 1)} s",
            str(row["windows"]),
            fixed(row["confidence"]),
            fixed(row["accuracy"]),
        )
        for row in results("emotion_live")["growth"]
    )
    return table(("heard", "windows", "confidence", "accuracy"), rows)
