"""Record what the streaming decoder asks the LLM, for `models/train/fusion` to learn from.

    python -m benchmarks.research.fused_decisions --data ../shared/data --cache ../decisions

Every recording runs through the streaming path with the shipped weights, and once more as a
whole clip. Every question is kept with its candidates, the encoder states of the open audio,
the emotion classifier's states and the errors that each candidate would make. Half of the training
speakers' recordings are heard with noise, at another speed, through MP3. A recording that is in
the cache already is not run again.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.common import (
    DataOption,
    Recording,
    SeedOption,
    SpeechOption,
    ThreadsOption,
    blocks,
    load_sets,
    run,
)
from benchmarks.quality.offline import OfflineRecognizer, encode_whole
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.speech import SpeechModels
from streamer.models.emotion.classifier import MIN_WINDOW_S, EmotionClassifier
from streamer.models.fusion.audio_aware import AudioAwareFusion, AudioInputs
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion, Terms, initial_prompt
from streamer.models.llm.scorer import LlmScorer
from streamer.models.moonshine.encoder import MIN_SAMPLES
from streamer.models.train.fusion.data import (
    Decision,
    Option,
    errors_of,
    role_of,
    save_decisions,
    varied,
)
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.transcribe import transcribe
from streamer.recognition.words.audio_aware import AudioAwareWords, FeatureEmotionMonitor
from streamer.runtime.tracing import NullSpans
from streamer.transcript.wer import normalize

DEFAULT_SETS: Final = "librispeech_dev_clean_mp3,speechocean762_train"
RUN_LENGTH: Final = 3
_NOTHING: Final = np.zeros((0, 160), np.float16)
"""The emotion classifier has not answered yet."""


@dataclass
class _Said:
    """What one recording's session has told the LLM."""

    opening: str
    reference: list[str]
    speaker: str
    committed: str = ""
    label: str = ""
    decisions: list[Decision] = field(default_factory=list)


class _RecordingFusion(AudioAwareFusion):
    """The shipped fusion, which only reads; keeps every question."""

    def __init__(self, scorer: LlmScorer, weights: FusionWeights, said: _Said) -> None:
        super().__init__(scorer, weights, said.opening, AudioInputs())
        self._recorded = said
        self._weight = weights.llm
        self._heard = {"audio": _NOTHING, "emotion": _NOTHING}

    def set_features(self, modality: str, features: Floats) -> None:
        self._heard[modality] = features.astype(np.float16)

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        terms = super().terms(candidates)
        said = self._recorded
        before = normalize(said.committed)
        words = [[*before, *normalize(candidate.text)] for candidate in candidates]
        errors = errors_of(said.reference, words, whole=False)
        options = tuple(
            Option(candidate.text, candidate.logprob, term.text / self._weight, wrong)
            for candidate, term, wrong in zip(candidates, terms, errors, strict=True)
        )
        context = said.opening + said.committed
        heard = self._heard["audio"], self._heard["emotion"]
        said.decisions.append(
            Decision(said.speaker, "stream", context, said.label, options, *heard)
        )
        return terms

    def append(self, text: str) -> None:
        super().append(text)
        if text:
            self._recorded.committed += f" {text}"

    def set_emotion(self, label: str) -> None:
        self._recorded.label = label


class DecisionRecorder:
    """Runs recordings and keeps the questions."""

    def __init__(self, engine: Engine) -> None:
        if (
            engine.llm is None
            or not isinstance(engine.emotion, EmotionClassifier)
            or not isinstance(engine.speech, SpeechModels)
        ):
            raise ValueError("the recorder needs the LLM and the project's own other models")
        self._options = engine.options
        self._llm = engine.llm
        self._classifier = engine.emotion
        self._speech = engine.speech
        self._offline = OfflineRecognizer(engine)

    def record(
        self, samples: Floats, reference: str, speaker: str, previous: str
    ) -> tuple[list[Decision], str]:
        """All questions of one recording, and its transcript.

        Args:
            previous: transcript of what was said before, for the LLM to read.
        """
        said = _Said(initial_prompt(previous, ()), normalize(reference), speaker)
        with ThreadPoolExecutor(1, "emotion") as lane:
            emotion = FeatureEmotionMonitor(
                self._classifier,
                lane,
                self._options.emotion,
                NullSpans(),
            )
            stages = StageTimes(NullSpans())
            words = AudioAwareWords(
                self._speech,
                self._options.recognizer,
                fusion=_RecordingFusion(self._llm, self._options.weights, said),
                emotion=emotion,
                stages=stages,
            )
            recognizer = Recognizer(
                self._speech.vad, self._options.recognizer, words, emotion=emotion, stages=stages
            )
            text = transcribe(blocks(samples), recognizer).text
            recognizer.close()
        whole = self._whole(samples, said)
        return [*said.decisions, *whole], text

    def _whole(self, samples: Floats, said: _Said) -> list[Decision]:
        """The recording as one question."""
        if len(samples) < max(MIN_SAMPLES, int(MIN_WINDOW_S * SAMPLE_RATE)):
            return []
        likely = self._offline.candidates(samples)
        alone = FusionWeights(llm=1.0)
        terms = LlmFusion(self._llm, alone, said.opening).terms(likely)
        words = [normalize(candidate.text) for candidate in likely]
        errors = errors_of(said.reference, words, whole=True)
        options = tuple(
            Option(candidate.text, candidate.logprob, term.text, wrong)
            for candidate, term, wrong in zip(likely, terms, errors, strict=True)
        )
        audio = encode_whole(self._speech, samples)
        assert audio is not None
        states = audio.states.astype(np.float16)
        window = samples[-3 * SAMPLE_RATE :]
        emotion = self._classifier.features(window).frames.astype(np.float16)
        return [Decision(said.speaker, "clip", said.opening, said.label, options, states, emotion)]


def in_turns(recordings: Sequence[Recording], seed: int) -> list[Recording]:
    """Runs of a few neighbours, which are the context of one another, in random order: a run
    that is stopped has heard something of everybody."""
    runs = [recordings[at : at + RUN_LENGTH] for at in range(0, len(recordings), RUN_LENGTH)]
    random.Random(seed).shuffle(runs)
    return [recording for some in runs for recording in some]


def record_all(
    recorder: DecisionRecorder, recordings: Sequence[Recording], cache: Path, seed: int
) -> None:
    """Record what is not in the cache."""
    previous = ("", "")
    for clip in track(recordings, "recording", console=Console(stderr=True), refresh_per_second=1):
        target = cache / clip.set_name / f"{clip.speaker}-{clip.id}.npz"
        if target.is_file():
            previous = ("", "")
            continue
        samples = np.concatenate(clip.pieces())
        number = zlib.crc32(f"{seed} {clip.id}".encode())
        if role_of(clip.set_name, clip.speaker) == "train" and number % 2:
            samples = varied(samples, np.random.default_rng(number))
        before = previous[1] if previous[0] == clip.speaker else ""
        decisions, text = recorder.record(samples, clip.text, clip.speaker, before)
        save_decisions(target, decisions)
        previous = (clip.speaker, text)


def main(
    cache: Annotated[Path, typer.Option(help="Folder for the decisions.")],
    speech: SpeechOption = DEFAULT_SETS,
    data: DataOption = Path("data"),
    clips: Annotated[int, typer.Option(min=0, help="Recordings of each set; 0 takes all.")] = 0,
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
) -> None:
    engine = Engine.load(EngineOptions(threads=threads, latency="low"))
    try:
        recorder = DecisionRecorder(engine)
        for some in load_sets(speech, data).values():
            record_all(recorder, in_turns(some, seed)[: clips or len(some)], cache, seed)
    finally:
        engine.close()


app = run(main)

if __name__ == "__main__":
    app()
