"""Does the arousal that is measured in a voice follow what was acted, and which cues does it take?

The clips of each CREMA-D speaker, in an order drawn once, are one session: draft words, and their
voices as `VoiceMeter` takes them. Anger, happiness and fear count as aroused, neutral speech and
sadness as not; a figure is the share of pairs of one of each that are put in the right order
(chance: 0.5), speaker by speaker. Dev speakers chose the cues, test speakers judge the choice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, seconds_from_samples
from streamer.audio.files import read_samples
from streamer.audio.loudness import level_dbfs
from streamer.audio.pitch import pitches_hz
from streamer.models.train.emotion.data import CREMA_D, DEV_SPEAKERS, TEST_SPEAKERS, read_manifest
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.recognition.voice.meter import VoiceMeter, VoiceOptions, standing
from streamer.runtime.tracing import NullSpans
from streamer.transcript.ledger import Arousal, Word

AROUSED: Final = ("angry", "happy", "fearful")
CALM: Final = ("neutral", "sad")
PAUSE_SAMPLES: Final = SAMPLE_RATE
BLOCK_SAMPLES: Final = SAMPLE_RATE // 10
CUE_SETS: Final = (
    ("loudness",),
    ("pitch",),
    ("range",),
    ("rate",),
    ("loudness", "pitch"),
    ("loudness", "pitch", "range"),
    ("loudness", "pitch", "rate"),
    ("loudness", "pitch", "range", "rate"),
)


@dataclass(frozen=True)
class Said:
    """A segment of which one clip makes the most."""

    label: str
    arousal: Arousal | None
    cues: dict[str, list[float]]
    """Of its words, one by one."""


def cues_of(word: Word, samples: Floats) -> dict[str, float]:
    """What can be measured of a word; only of one that is voiced there is pitch, and its range."""
    rate = sum(map(str.isalnum, word.text)) / seconds_from_samples(len(samples))
    cues = {"loudness": level_dbfs(samples), "rate": rate}
    pitches = pitches_hz(samples)
    if len(pitches) >= 3:
        low, middle, high = np.percentile(12 * np.log2(pitches), (10, 50, 90))
        cues |= {"pitch": float(middle), "range": float(high - low)}
    return cues


def session(engine: Engine, clips: Sequence[tuple[str, Floats]]) -> list[Said]:
    """What is heard of clips, each with its label, one after the other."""
    pause = np.zeros(PAUSE_SAMPLES, np.float32)
    audio = np.concatenate([part for _, samples in clips for part in (samples, pause)])
    ends = np.cumsum([len(samples) + PAUSE_SAMPLES for _, samples in clips])
    recognizer = engine.recognizer(SessionOptions(decoder="draft", emotion=False), NullSpans())
    blocks = (audio[at : at + BLOCK_SAMPLES] for at in range(0, len(audio), BLOCK_SAMPLES))
    heard = transcribe(blocks, recognizer)
    recognizer.close()
    meter, said = VoiceMeter(VoiceOptions()), []
    for segment in heard.segments:
        cues: dict[str, list[float]] = {}
        for word in segment.words:
            samples = audio[word.start_sample : word.end_sample]
            meter.measure(samples)
            if len(samples) >= SAMPLE_RATE // 100:
                for name, value in cues_of(word, samples).items():
                    cues.setdefault(name, []).append(value)
        middle = (segment.start_sample + segment.end_sample) // 2
        label = clips[int(np.searchsorted(ends, middle, "right"))][0]
        said.append(Said(label, meter.close_segment(), cues))
    return said


def arousals(said: Sequence[Said], cues: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Label and arousal of the segments, from these cues."""
    options = VoiceOptions()
    before: dict[str, list[float]] = {name: [] for name in cues}
    n_before = 0
    for segment in said:
        there = {name: before[name][-options.known_words :] for name in cues}
        scores = [
            standing(segment.cues[name], there[name])
            for name in cues
            if segment.cues.get(name) and there[name]
        ]
        if n_before >= options.arousal_words and scores:
            yield segment.label, float(np.mean(scores))
        for name in cues:
            before[name].extend(segment.cues.get(name, []))
        n_before += len(segment.cues.get("loudness", []))


def in_order(told: Sequence[tuple[str, float]], aroused: Sequence[str]) -> float:
    """The share of pairs of an aroused and a calm segment that are told apart rightly; NaN if there
    are none."""
    above = np.asarray([value for label, value in told if label in aroused])
    below = np.asarray([value for label, value in told if label in CALM])
    pairs = above[:, None] - below[None]
    return float(np.mean((np.sign(pairs) + 1) / 2)) if pairs.size else float("nan")


def judge(by_speaker: Sequence[Sequence[Said]]) -> dict[str, Any]:
    def mean(of: Callable[[Sequence[Said]], float]) -> float:
        return round(float(np.nanmean([of(said) for said in by_speaker])), 3)

    def told(said: Sequence[Said]) -> list[tuple[str, float, float]]:
        return [
            (one.label, one.arousal.value, one.arousal.confidence)
            for one in said
            if one.arousal is not None
        ]

    def surer(said: Sequence[Said]) -> list[tuple[str, float]]:
        middle = float(np.median([sure for _, _, sure in told(said)]))
        return [(label, value) for label, value, sure in told(said) if sure >= middle]

    def all_told(said: Sequence[Said]) -> list[tuple[str, float]]:
        return [(label, value) for label, value, _ in told(said)]

    def mean_of(aroused: Sequence[str], cues: Sequence[str] | None = None) -> float:
        """As measured, or from these cues."""
        return mean(
            lambda said: in_order(
                all_told(said) if cues is None else [*arousals(said, cues)], aroused
            )
        )

    worst = float(np.nanmin([in_order(all_told(said), AROUSED) for said in by_speaker]))
    return {
        "speakers": len(by_speaker),
        "segments": sum(len(told(said)) for said in by_speaker),
        "in_order": mean_of(AROUSED),
        "in_order_worst_speaker": round(worst, 3),
        "in_order_surer_half": mean(lambda said: in_order(surer(said), AROUSED)),
        "in_order_by_emotion": {label: mean_of((label,)) for label in AROUSED},
        "in_order_by_cues": {" + ".join(cues): mean_of(AROUSED, cues) for cues in CUE_SETS},
    }


def heard(engine: Engine, folder: Path, speakers: Sequence[str], clips: int) -> list[list[Said]]:
    rows = read_manifest(folder)
    sessions = []
    for speaker in speakers:
        mine = [row for row in rows if row["speaker"] == speaker]
        order = np.random.default_rng(0).permutation(len(mine))[:clips]
        sessions.append(
            session(
                engine,
                [(mine[i]["label"], read_samples(folder / mine[i]["path"])) for i in order],
            )
        )
    return sessions


def main(
    data: DataOption = Path("../shared/data"),
    clips: Annotated[int, typer.Option(min=2, help="Of each speaker, at most.")] = 100,
    out: OutOption = RESULTS,
) -> None:
    engine = Engine.load(EngineOptions(threads=1, llm=False, emotion_model=None))
    results = {
        name: judge(heard(engine, data / CREMA_D, speakers, clips))
        for name, speakers in (("dev", DEV_SPEAKERS), ("test", TEST_SPEAKERS))
    }
    engine.close()
    Console().print_json(json.dumps(results))
    write_json("emotion.arousal", out, {"clips": clips}, results, file="emotion_arousal")


app = run(main)

if __name__ == "__main__":
    app()
