"""Finds the weights of `streamer/recognition/turns/confidence.py` on development speech.

Each step of each pause is an example: has the turn ended? What each source of evidence brings is
the loss on recordings left out, in five parts. Pauses are heard once and kept in `--cache`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.common import RESULTS, DataOption, OutOption, SeedOption, run, write_json
from benchmarks.turns.pauses import Pause, load, pauses, save
from benchmarks.turns.sets import for_choosing
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.turns.confidence import log_pause

Numbers = npt.NDArray[np.float64]
NAMES: Final = ("bias", "pause", "full_stop", "question", "sentence_over", "pitch_fall")
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "pause": NAMES[:2],
    "pause, marks": NAMES[:4],
    "pause, marks, LLM": NAMES[:5],
    "pause, marks, LLM, pitch": NAMES,
}
"""The second and the third are what is shipped, without and with an LLM."""
_LONGEST_MS: Final = 2_000.0
"""A longer pause says no more than this."""
_PARTS: Final = 5
_RIDGE: Final = 0.02
"""Prior variance of a weight, by the examples' spread: few pauses must not shout."""
_MAX_SEMITONES: Final = 8.0
"""More is an octave that the tracker has mistaken."""


@dataclass(frozen=True, eq=False)
class Examples:
    rows: Numbers
    """`[N, len(NAMES)]`."""
    ended: Numbers
    recording: Sequence[str]


def examples(found: Sequence[Pause]) -> Examples:
    """Those of pauses that the LLM was asked about."""
    rows, ended, recordings = [], [], []
    hop_ms = RecognizerOptions().hop_ms
    for pause in found:
        if pause.evidence.sentence_over is None:
            continue
        fall = max(-_MAX_SEMITONES, min(_MAX_SEMITONES, pause.pitch_fall or 0.0))
        for ms in pause.steps_ms(hop_ms):
            if ms > _LONGEST_MS:
                break
            rows.append((1.0, log_pause(ms), *pause.evidence.features(), fall))
            ended.append(float(pause.is_end))
            recordings.append(pause.recording)
    return Examples(np.array(rows), np.array(ended), recordings)


def fitted(rows: Numbers, ended: Numbers) -> Numbers:
    """Logistic regression by Newton's method; all weights but the first are held small."""
    beta = np.zeros(rows.shape[1])
    spread = np.maximum(rows.std(axis=0), 1e-9)
    ridge = np.diag(np.where(np.arange(rows.shape[1]) == 0, 0.0, spread**2 / _RIDGE))
    for _ in range(30):
        p = _probability(rows @ beta)
        gradient = rows.T @ (ended - p) - ridge @ beta
        curve = (rows * (p * (1 - p))[:, None]).T @ rows + ridge
        beta = beta + np.linalg.solve(curve + 1e-9 * np.eye(len(beta)), gradient)
    return beta


def loss_left_out(given: Examples, columns: Sequence[int]) -> float:
    """Mean log-loss (nats) of recordings that were not fitted on."""
    names = sorted(set(given.recording))
    part = np.array([names.index(one) % _PARTS for one in given.recording])
    total = 0.0
    rows = given.rows[:, columns]
    for left_out in range(_PARTS):
        train, test = part != left_out, part == left_out
        beta = fitted(rows[train], given.ended[train])
        p = np.clip(_probability(rows[test] @ beta), 1e-9, 1 - 1e-9)
        loss = -np.log(np.where(given.ended[test] > 0, p, 1 - p))
        total += float(loss.sum())
    return total / len(given.ended)


def summarize(found: Sequence[Pause]) -> dict[str, Any]:
    given = examples(found)
    sources = {}
    for source, names in SOURCES.items():
        columns = [NAMES.index(name) for name in names]
        beta = fitted(given.rows[:, columns], given.ended)
        sources[source] = {
            "loss_left_out": round(loss_left_out(given, columns), 4),
            "weights": {n: round(float(b), 3) for n, b in zip(names, beta, strict=True)},
        }
    kinds = sorted({pause.kind for pause in found})
    return {
        "pauses": {
            kind: {
                "ends": sum(p.is_end for p in found if p.kind == kind),
                "others": sum(not p.is_end for p in found if p.kind == kind),
            }
            for kind in kinds
        },
        "examples": len(given.ended),
        "sources": sources,
    }


def _probability(nats: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-np.clip(nats, -30, 30)))


def main(
    cache: Annotated[Path, typer.Option(help="Folder where pauses are kept once heard.")],
    data: DataOption = Path("data"),
    read_s: Annotated[float, typer.Option(help="Seconds of reading to hear.")] = 880,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    path = cache / "turn_pauses.json"
    if not path.is_file():
        _hear(path, data, read_s, seed)
    found, speech_s = load(path)
    results = summarize(found)
    parameters = {"read_s": read_s, "seed": seed, "speech_s": speech_s, "latency": "low"}
    write_json("turns.fit", out, parameters, results, "turns_fit")
    Console().print_json(data=results)


def _hear(path: Path, data: Path, read_s: float, seed: int) -> None:
    spoken = list(for_choosing(data, read_s, seed))
    engine = Engine.load(EngineOptions(latency="low"))
    try:
        found = [p for one in track(spoken, "hearing") for p in pauses(engine, one)]
    finally:
        engine.close()
    kinds = {one.kind for one in spoken}
    save(path, found, {k: sum(s.speech_s for s in spoken if s.kind == k) for k in kinds})


app = run(main)

if __name__ == "__main__":
    app()
