"""Fused decisions to train on: what the LLM was asked, with what was heard, and what was right.

`benchmarks/research/fused_decisions.py` records them from the streaming decoder, one file for each
recording.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import soundfile

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE

Halves = npt.NDArray[np.float16]
Kind = Literal["stream", "clip"]
Role = Literal["train", "dev", "judge"]

DEV_SPEAKERS: Final = frozenset({"251", "777", "1988"})
JUDGE_SPEAKERS: Final = frozenset({"84", "422", "1462", "2035", "2803", "2902"})
"""Of LibriSpeech dev-clean. Dev speakers choose the epoch; judged ones meet only the ablation."""
DEV_DIGITS: Final = frozenset("7")
JUDGE_DIGITS: Final = frozenset("89")
"""The same for speechocean762, by the last digit of the speaker."""


@dataclass(frozen=True, slots=True)
class Option:
    """A candidate: its acoustic log-probability (nats), what the LLM as it ships gives it, and
    the word errors of all that was said up to its end if it is chosen."""

    text: str
    logprob: float
    llm: float
    errors: int


@dataclass(frozen=True)
class Decision:
    """One question.

    `audio [T, 288]` are encoder states of the sound that is not committed yet and a little
    before it; `emotion [U, D]` the classifier's states of the newest window it has answered, no
    frames if there is none yet.
    """

    speaker: str
    kind: Kind
    """`stream`: the beginning of what may be committed next. `clip`: a whole recording at once."""
    context: str
    """What the LLM reads before the candidates, without stage directions."""
    label: str
    """The emotion in the voice as it was told last; empty if none was."""
    options: tuple[Option, ...]
    audio: Halves
    emotion: Halves

    @property
    def tells(self) -> bool:
        """Whether it makes a difference what is chosen."""
        return len({option.errors for option in self.options}) > 1


def role_of(set_name: str, speaker: str) -> Role:
    """The split by speaker."""
    if set_name.startswith("speechocean"):
        dev, judge = speaker[-1] in DEV_DIGITS, speaker[-1] in JUDGE_DIGITS
    else:
        dev, judge = speaker in DEV_SPEAKERS, speaker in JUDGE_SPEAKERS
    return "dev" if dev else "judge" if judge else "train"


def errors_of(
    reference: Sequence[str], candidates: Sequence[Sequence[str]], *, whole: bool
) -> list[int]:
    """Word errors of each candidate (words that follow one another from the start).

    Against the whole reference, or against a beginning of it, the same for all, since they were
    heard in the same sound: the one that some candidate fits best, the longest of those.
    """
    table = np.array([_edit_row(reference, said) for said in candidates])
    if whole:
        return [int(errors) for errors in table[:, -1]]
    best = table.min(axis=0)
    end = np.flatnonzero(best == best.min())[-1]
    return [int(errors) for errors in table[:, end]]


def _edit_row(reference: Sequence[str], said: Sequence[str]) -> list[int]:
    """Word errors of `said` against each beginning of the reference."""
    row = list(range(len(reference) + 1))
    for n_said, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], n_said
        for i, expected in enumerate(reference, start=1):
            best = min(diagonal + (word != expected), row[i] + 1, row[i - 1] + 1)
            diagonal, row[i] = row[i], best
    return row


def save_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """Write the decisions of one recording, at once or not at all."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    rows = []
    for index, decision in enumerate(decisions):
        arrays[f"audio.{index}"], arrays[f"emotion.{index}"] = decision.audio, decision.emotion
        rows.append(
            {
                "speaker": decision.speaker,
                "kind": decision.kind,
                "context": decision.context,
                "label": decision.label,
                "options": [asdict(option) for option in decision.options],
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, rows=np.array(json.dumps(rows)), **arrays)  # type: ignore[arg-type]
    part.replace(path)


def load_decisions(path: Path) -> list[Decision]:
    """The decisions of one recording."""
    with np.load(path) as file:
        return [
            Decision(
                row["speaker"],
                row["kind"],
                row["context"],
                row["label"],
                tuple(Option(**option) for option in row["options"]),
                file[f"audio.{index}"],
                file[f"emotion.{index}"],
            )
            for index, row in enumerate(json.loads(str(file["rows"])))
        ]


def varied(samples: Floats, rng: np.random.Generator) -> Floats:
    """The recording as another microphone, line or hurry would have given it: speed and pitch
    within 10 %, often noise at 3 to 25 dB, now and then MP3 at 16 to 40 kbit/s."""
    speed = 1 + rng.uniform(-0.1, 0.1)
    at = np.arange(int(len(samples) / speed)) * speed
    heard = np.interp(at, np.arange(len(samples)), samples)
    if rng.random() < 0.25:
        heard = _coded(heard.astype(np.float32), rng)
    if rng.random() < 0.75:
        spectrum = np.fft.rfft(rng.standard_normal(len(heard)))
        hertz = np.maximum(np.fft.rfftfreq(len(heard), 1 / SAMPLE_RATE), 20)
        noise = np.fft.irfft(spectrum * hertz ** -rng.uniform(0, 1), n=len(heard))
        ratio = 10 ** (-rng.uniform(3, 25) / 20)
        noise *= ratio * np.sqrt(np.mean(heard**2) / np.mean(noise**2))
        heard = heard + noise
    return np.asarray(heard, np.float32)


def _coded(samples: Floats, rng: np.random.Generator) -> Floats:
    stream = io.BytesIO()
    loud = samples * (0.5 / (np.abs(samples).max() + 1e-6))
    level = rng.uniform(0.6, 0.95)
    soundfile.write(
        stream, loud, SAMPLE_RATE, format="MP3", compression_level=level, bitrate_mode="AVERAGE"
    )
    stream.seek(0)
    coded, _ = soundfile.read(stream, dtype="float32")
    return np.asarray(np.resize(coded, len(samples)), np.float32)
