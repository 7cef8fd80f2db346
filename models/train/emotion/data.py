"""Clips and the speaker split for the emotion recipe.

Acted speech comes from CREMA-D (ODbL 1.0, Cao et al., 2014), with the emotion the actor was asked
for (`label` in its manifest). No speaker is shared between train, dev and test. Read speech
(LibriSpeech dev-clean and speechocean762, CC BY 4.0) stands for all that nobody acted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS

CREMA_D: Final = "emotion/crema_d"
READ_SPEECH: Final = ("asr/librispeech_dev_clean_mp3", "asr/speechocean762_train")
_PIECE_S: Final = 5.0
SPLIT_SEED: Final = 25
# `split_speakers` over the 74 speakers present gives these; they are written out so that a
# figure quoted for "the test speakers" stays about the same people.
DEV_SPEAKERS: Final[tuple[str, ...]] = (
    "crema_1008",
    "crema_1014",
    "crema_1016",
    "crema_1021",
    "crema_1033",
    "crema_1035",
    "crema_1046",
    "crema_1053",
    "crema_1055",
    "crema_1068",
)
TEST_SPEAKERS: Final[tuple[str, ...]] = (
    "crema_1010",
    "crema_1019",
    "crema_1027",
    "crema_1040",
    "crema_1047",
    "crema_1052",
    "crema_1066",
    "crema_1069",
    "crema_1083",
    "crema_1091",
)


@dataclass(frozen=True)
class Clip:
    """One recording: mono float32 samples at 16 kHz and the index of its label in LABELS."""

    samples: npt.NDArray[np.float32]
    label: int
    speaker: str
    cleaned: npt.NDArray[np.float32] | None = None
    """The same as a browser hands it over, if that was computed."""


@dataclass(frozen=True)
class Split:
    """Clips by role; no speaker is in two of them. `read` is for training too."""

    train: list[Clip]
    dev: list[Clip]
    test: list[Clip]
    read: list[Clip]


def split_speakers(
    speakers: Iterable[str], n_dev: int = 10, n_test: int = 10, seed: int = SPLIT_SEED
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Dev and test speakers drawn by a seeded shuffle; the others are for training."""
    order = _shuffled(speakers, seed)
    if len(order) <= n_dev + n_test:
        raise ValueError(f"{len(order)} speakers cannot give {n_dev} dev, {n_test} test and train")
    return tuple(sorted(order[:n_dev])), tuple(sorted(order[n_dev : n_dev + n_test]))


def speaker_folds(speakers: Iterable[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """The speakers in so many parts of about the same size, drawn by a seeded shuffle."""
    return [tuple(part.tolist()) for part in np.array_split(_shuffled(speakers, seed), count)]


def _shuffled(speakers: Iterable[str], seed: int) -> list[str]:
    """Each once."""
    order = sorted(set(speakers))
    np.random.default_rng(seed).shuffle(order)
    return order


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """The lines of `manifest.jsonl`.

    Raises:
        FileNotFoundError: with a sentence that says what is missing.
    """
    path = folder / "manifest.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"no manifest.jsonl in {folder}: is --data right?")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load_clips(
    folder: Path, speakers: Sequence[str] | None = None, limit_per_speaker: int | None = None
) -> list[Clip]:
    """Decodes the clips whose label is one of LABELS, in the manifest's order.

    Args:
        folder: a data set with `manifest.jsonl`.
        speakers: only these, or all.
        limit_per_speaker: the first so many clips of each speaker.
    """
    clips: list[Clip] = []
    taken: dict[str, int] = {}
    for row in read_manifest(folder):
        speaker = str(row["speaker"])
        if row["label"] not in LABELS or (speakers is not None and speaker not in speakers):
            continue
        if limit_per_speaker is not None and taken.get(speaker, 0) >= limit_per_speaker:
            continue
        taken[speaker] = taken.get(speaker, 0) + 1
        clips.append(Clip(_samples(folder / row["path"]), LABELS.index(row["label"]), speaker))
    return clips


def load_read_speech(folder: Path, limit_per_speaker: int | None = None) -> list[Clip]:
    """Decodes read speech, cut into pieces of at most 5 s, which are neutral.

    Args:
        folder: a data set with `manifest.jsonl`.
        limit_per_speaker: the first so many pieces of each speaker.
    """
    clips: list[Clip] = []
    taken: dict[str, int] = {}
    neutral = LABELS.index("neutral")
    length = int(_PIECE_S * SAMPLE_RATE)
    for row in read_manifest(folder):
        speaker = str(row["speaker"])
        if limit_per_speaker is not None and taken.get(speaker, 0) >= limit_per_speaker:
            continue
        samples = _samples(folder / row["path"])
        for start in range(0, max(1, len(samples) - length // 2), length):
            clips.append(Clip(samples[start : start + length], neutral, speaker))
            taken[speaker] = taken.get(speaker, 0) + 1
    return clips


def _samples(path: Path) -> npt.NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"{path.name} is not mono at {SAMPLE_RATE} Hz")
    return np.asarray(samples, np.float32)


def load_split(data: Path, dev: Sequence[str], test: Sequence[str]) -> Split:
    """CREMA-D by speaker, and read speech.

    Args:
        data: the folder that holds `emotion/crema_d` and the sets of READ_SPEECH.
        dev, test: speakers; the remaining ones are for training.
    """
    if overlap := set(dev) & set(test):
        raise ValueError(f"speakers in both dev and test: {sorted(overlap)}")
    clips = load_clips(data / CREMA_D)
    roles: dict[str, list[Clip]] = {"train": [], "dev": [], "test": []}
    for clip in clips:
        role = "dev" if clip.speaker in dev else "test" if clip.speaker in test else "train"
        roles[role].append(clip)
    for role, members in roles.items():
        if not members:
            raise ValueError(f"no {role} clips: are these speakers in the data?")
    read = [clip for folder in READ_SPEECH for clip in load_read_speech(data / folder)]
    return Split(**roles, read=read)


def opening_windows(clips: Sequence[Clip], seconds: float) -> Tensor:
    """The beginning of each clip, zero-padded at the end if shorter. [n, N]"""
    length = int(seconds * SAMPLE_RATE)
    rows = np.zeros((len(clips), length), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: len(clip.samples)] = clip.samples[:length]
    return torch.from_numpy(rows)


def fixed_windows(clips: Sequence[Clip], seconds: float) -> Tensor:
    """The middle of each clip, zero-padded on both sides if shorter. [n, N]"""
    length = int(seconds * SAMPLE_RATE)
    rows = np.zeros((len(clips), length), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        spare = len(clip.samples) - length
        if spare >= 0:
            row[:] = clip.samples[spare // 2 : spare // 2 + length]
        else:
            before = -spare // 2
            row[before : before + len(clip.samples)] = clip.samples
    return torch.from_numpy(rows)
