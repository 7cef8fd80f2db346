"""What the fused decision is given, and what it makes of a clip then.

The LLM hears of the emotion as a stage direction; of the context as text that was said before: what
the speech decoder made of the clips before in the same chapter. Each has a control with the wrong
content: emotions drawn at random, what was heard of somebody else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from benchmarks.common import Recording
from benchmarks.quality.offline import OfflineRecognizer
from benchmarks.quality.streaming import Streamed, stream
from benchmarks.research.tune_fusion import with_weights
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.llm_lane import TimedFusion
from streamer.models.emotion.classifier import LABELS
from streamer.models.fusion.score import Candidate, FusionWeights, Terms
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.recognizer import Recognizer
from streamer.transcript.ledger import Segment
from streamer.transcript.wer import WordErrors, normalize, word_errors

CONTEXT_CLIPS: Final = 2
DRAFT, TEXT = "draft", "+ LLM"
"""What is there without an LLM, and what ships."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the decision is given. `context` and `emotion`: none, the right one, a wrong one."""

    decoder: Decoder = "fused"
    context: str = ""
    emotion: str = ""


CONDITIONS: Final[Mapping[str, Condition]] = {
    DRAFT: Condition("draft"),
    TEXT: Condition(),
    "+ emotion": Condition(emotion="right"),
    "+ wrong emotion": Condition(emotion="wrong"),
    "+ context": Condition(context="right"),
    "+ wrong context": Condition(context="wrong"),
}


@dataclass(frozen=True, slots=True)
class Disputed:
    """A word that had a rival: what spoke for it (nats), and whether it was said."""

    word: str
    rival: str
    audio: float
    text: float
    right: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one condition made of one clip."""

    text: str
    errors: WordErrors
    audio_s: float
    compute_s: float
    commit_delays_ms: tuple[float, ...]
    disputed: tuple[Disputed, ...] = ()


class WrongEmotion:
    """A fusion that is told another emotion for each in the voice: as often as the right ones,
    since every change is something more to read."""

    def __init__(self, fusion: TimedFusion, draw: random.Random) -> None:
        self._fusion = fusion
        shuffled = draw.sample(LABELS, len(LABELS))
        self._instead = dict(zip(shuffled, [*shuffled[1:], shuffled[0]], strict=True))
        self.busy_ms = 0.0

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        return self._fusion.terms(candidates)

    def append(self, text: str) -> None:
        self._fusion.append(text)

    def felt(self, emotions: Sequence[str]) -> Mapping[str, float]:
        return self._fusion.felt(emotions)

    def perceive(self, modality: str, features: Floats) -> None:
        self._fusion.perceive(modality, features)

    def hear(self, emotion: str) -> None:
        self._fusion.hear(self._instead[emotion])


@contextmanager
def engines_by_telling(threads: int) -> Iterator[dict[bool, Engine]]:
    """Engines on the same models, by whether the LLM is told the emotion."""
    engine = Engine.load(EngineOptions(threads=threads))
    weights: FusionWeights = engine._options.weights
    engines = {
        told: with_weights(engine, replace(weights, emotion_in_context=told))
        for told in (False, True)
    }
    try:
        yield engines
    finally:
        for each in (*engines.values(), engine):
            each.close()


def clips_before(clips: Sequence[Recording]) -> dict[str, list[Recording]]:
    """For each clip, those that the same speaker read before it in the same chapter."""
    ordered = sorted(clips, key=lambda clip: clip.id)
    return {
        clip.id: [
            other
            for other in ordered[max(0, at - CONTEXT_CLIPS) : at]
            if other.id.rpartition("-")[0] == clip.id.rpartition("-")[0]
            and other.speaker == clip.speaker
        ]
        for at, clip in enumerate(ordered)
    }


def heard_before(offline: OfflineRecognizer, clips: Sequence[Recording]) -> str:
    """What a session would know by then, punctuation and capitals included."""
    return " ".join(offline.greedy(piece) for clip in clips for piece in clip.pieces())


def hear(
    engines: Mapping[bool, Engine], condition: Condition, clip: Recording, contexts: Sequence[str]
) -> Outcome:
    """`engines` by whether the LLM is told emotions, `contexts`: the right one, a wrong one."""
    engine = engines[bool(condition.emotion)]
    context = {"": "", "right": contexts[0], "wrong": contexts[1]}[condition.context]

    def prepare(recognizer: Recognizer) -> None:
        if condition.emotion == "wrong" and recognizer._fusion is not None:
            recognizer._fusion = WrongEmotion(recognizer._fusion, random.Random(clip.id))

    options = SessionOptions(decoder=condition.decoder, context=context)
    streamed: Streamed = stream(engine, np.concatenate(clip.pieces()), options, prepare)
    result = streamed.transcription
    return Outcome(
        result.text,
        word_errors(clip.text, result.text),
        result.n_samples / SAMPLE_RATE,
        result.compute_s,
        streamed.commit_delays_ms,
        tuple(disputed_words(clip.text, result.segments)),
    )


def disputed_words(reference: str, segments: Sequence[Segment]) -> list[Disputed]:
    """Words with a decision, held against the reference."""
    spelled = [
        (word, token)
        for segment in segments
        for word in segment.words
        for token in normalize(word.text)[:1]
    ]
    heard = [token for _, token in spelled]
    right: set[int] = set()
    for operation in Levenshtein.opcodes(normalize(reference), heard):
        if operation.tag == "equal":
            right.update(range(operation.dest_start, operation.dest_end))
    return [
        Disputed(
            word.text, word.decision.rival, word.decision.audio, word.decision.text, at in right
        )
        for at, (word, _) in enumerate(spelled)
        if word.decision is not None
    ]
