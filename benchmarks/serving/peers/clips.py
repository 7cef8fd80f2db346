"""The clips that all peers hear, with the times of their words.

A clip is one long utterance followed by silence, in which a peer can find the end of speech.
Word times come from PocketSphinx's forced alignment. How far to trust them is measured on the same
clips: against the energy, which tells the end of the last word, and against the words' ends by
Whisper's cross-attention.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common import Recording, percentiles
from benchmarks.serving.peers.measures import Span, matches
from benchmarks.serving.peers.process import PeerProcess
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.transcript.wer import normalize

SILENCE_S: Final = 2.0
_SHORTEST_S: Final = 10.0
_LONGEST_S: Final = 30.0
_FRAME_SAMPLES: Final = 160
_SILENT_DB: Final = -100.0
_SPEECH_LEVEL: Final = 0.4
"""A sound is speech if it is so far between quiet and loud frames (10th, 95th percentile, dB)."""


@dataclass(frozen=True, slots=True)
class Clip:
    recording: Recording
    file: Path
    """Mono float32 at 16 kHz, the silence included."""
    audio_s: float
    words: list[str]
    spans: list[Span]


def choose_clips(
    sets: Mapping[str, Sequence[Recording]],
    count: int,
    seed: int,
    folder: Path,
    aligner: PeerProcess,
) -> list[Clip]:
    """Long utterances, of each set in turn and of as many speakers as it has.

    Utterances with words that the aligner's dictionary lacks are left out.
    """
    queues = [_speakers_in_turn(clips, f"{seed} {name}") for name, clips in sets.items()]
    chosen: list[Clip] = []
    while queues and len(chosen) < count:
        recordings = queues.pop(0)
        clip = next(filter(None, (_aligned(r, folder, aligner) for r in recordings)), None)
        if clip is not None:
            chosen.append(clip)
            queues.append(recordings)
    return chosen


def alignment_error(clips: Sequence[Clip], whisper: PeerProcess) -> dict[str, Any]:
    """How far word ends are from those of others, milliseconds; positive: ours are later."""
    against_energy, against_whisper = [], []
    for clip in clips:
        samples = np.fromfile(clip.file, np.float32)
        against_energy.append(1000 * (clip.spans[-1][1] - energy_end_s(samples)))
        heard = whisper.ask({"audio": str(clip.file)})["words"]
        parts = [(part, end) for text, _, end in heard for part in normalize(text)]
        texts = [part for part, _ in parts]
        pairs = matches(texts, clip.words)
        against_whisper += [1000 * (clip.spans[j][1] - parts[i][1]) for i, j in pairs]
    return {
        "ends_of_clips_against_energy_ms": _differences(against_energy),
        "word_ends_against_whisper_tiny_en_ms": _differences(against_whisper),
    }


def energy_end_s(samples: Floats) -> float:
    """When the last sound that is as loud as speech ends, within 10 ms.

    A breath or a click behind the last word is taken for speech.
    """
    frames = samples[: len(samples) // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    energy_db = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    quiet, loud = np.percentile(energy_db[energy_db > _SILENT_DB], (10, 95))
    speech = np.flatnonzero(energy_db >= quiet + _SPEECH_LEVEL * (loud - quiet))
    return float(speech[-1] + 1) * _FRAME_SAMPLES / SAMPLE_RATE


def _speakers_in_turn(clips: Sequence[Recording], seed: str) -> Iterator[Recording]:
    """All clips in random order, but one of each speaker before the second of any."""
    shuffled = sorted(clips, key=lambda clip: clip.id)
    random.Random(seed).shuffle(shuffled)
    turns: dict[str, int] = {}
    numbered = []
    for clip in shuffled:
        turns[clip.speaker] = turns.get(clip.speaker, 0) + 1
        numbered.append((turns[clip.speaker], clip))
    return (clip for _, clip in sorted(numbered, key=lambda one: one[0]))


def _aligned(recording: Recording, folder: Path, aligner: PeerProcess) -> Clip | None:
    samples = np.concatenate(recording.pieces())
    if not _SHORTEST_S <= len(samples) / SAMPLE_RATE <= _LONGEST_S:
        return None
    spoken = recording.text.lower().split()
    file = folder / f"{recording.id}.f32"
    silence = np.zeros(round(SILENCE_S * SAMPLE_RATE), np.float32)
    samples.tofile(file)
    spans = aligner.ask({"audio": str(file), "words": spoken}).get("spans")
    words = normalize(recording.text)
    if spans is None or len(spans) != len(words):
        file.unlink()
        return None
    np.concatenate([samples, silence]).tofile(file)
    audio_s = len(samples) / SAMPLE_RATE + SILENCE_S
    return Clip(recording, file, audio_s, words, [(start, end) for start, end in spans])


def _differences(values_ms: Sequence[float]) -> dict[str, Any]:
    return {
        "words": len(values_ms),
        "median": round(float(np.median(values_ms)), 1) if values_ms else None,
        "absolute": percentiles([abs(value) for value in values_ms]),
    }
