"""Tables of studies of emotion, in `docs/research.md`."""

from __future__ import annotations

from benchmarks.report.emotion.rows import recall
from benchmarks.report.figures import Tables, fixed, results, table


def tables() -> Tables:
    return {
        "emotion across corpora": _across_corpora,
        "emotion of frozen layers": _frozen_layers,
        "height above the room": _rooms,
        "floors of noise": _floors,
        "floor of noise, judged": _judged_floor,
    }


def _across_corpora() -> str:
    matrix = results("research/emotion_cross")["trained_on_then_tested_on"]
    names = {"crema_d": "CREMA-D", "ravdess": "RAVDESS", "emodb_de": "EMO-DB"}
    rows = (
        (f"**{name}**", *(fixed(matrix[trained][tested], 2) for tested in names))
        for trained, name in names.items()
    )
    return table(("trained on ↓, tested on →", *names.values()), rows)


def _frozen_layers() -> str:
    judges = {
        "dev": "CREMA-D, dev",
        "dev behind browsers": "the same behind browsers",
        "ravdess": "RAVDESS",
        "emodb_de": "EMO-DB",
    }
    rows = (
        (
            name if name.startswith("the") else f"Whisper base, learned {name}",
            *(fixed(told[judge]["uar"], 2) for judge in judges),
            fixed(told["read_neutral"], 2),
            *(
                f"{fixed(told[judge]['shown'])} / {fixed(told[judge]['right_of_shown'])}"
                for judge in list(judges)[:2]
            ),
        )
        for name, told in results("research/emotion_listener").items()
    )
    shown = ("shown / right, dev", "behind browsers")
    return table(("", *judges.values(), "read speech heard as neutral", *shown), rows)


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
