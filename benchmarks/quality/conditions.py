"""What the fused decision is given, and what it makes of a clip then.

The LLM hears of the emotion as a stage direction; of the context as text that was said before: what
the speech decoder made of the clips before in the same chapter. Each has a control with the wrong
content: emotions drawn at random, what was heard of somebody else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from benchmarks.common import Recording
from benchmarks.quality.offline import OfflineRecognizer
from benchmarks.quality.streaming import stream
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import EmotionModel, Samples
from streamer.models.fusion.audio_aware import AudioInputs
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
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


class WrongEmotion(EmotionModel):
    """A classifier that takes each emotion for another: which one it tells changes as often as with
    the right ones, since every change is something more for the LLM to read."""

    def __init__(self, model: EmotionModel, draw: random.Random) -> None:
        super().__init__(model.labels, None)
        self._model = model
        shuffled = draw.sample(model.labels, len(model.labels))
        self._right = dict(zip([*shuffled[1:], shuffled[0]], shuffled, strict=True))

    @property
    def name(self) -> str:
        return f"{self._model.name}, mistaken"

    def _probabilities(self, samples: Samples) -> Samples:
        found = self._model.predict(samples).probs
        return np.array([found[self._right[label]] for label in self.labels], np.float32)


@contextmanager
def engines_by_telling(threads: int) -> Iterator[dict[bool, Engine]]:
    """Engines on the same models, by whether the LLM is told the emotion."""
    with closing(Engine.load(EngineOptions(threads=threads, latency="low"))) as untold:
        models = untold.speech, untold.emotion, untold.llm
        with closing(Engine(untold.options, *models, AudioInputs(emotion_label=True))) as told:
            yield {False: untold, True: told}


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
    context = {"": "", "right": contexts[0], "wrong": contexts[1]}[condition.context]
    options = SessionOptions(decoder=condition.decoder, context=context)
    samples = np.concatenate(clip.pieces())
    engine = engines[bool(condition.emotion)]
    if condition.emotion == "wrong" and engine.emotion is not None:
        emotion = WrongEmotion(engine.emotion, random.Random(clip.id))
        with closing(Engine(engine.options, engine.speech, emotion, engine.llm)) as mistaken:
            streamed = stream(mistaken, samples, options)
    else:
        streamed = stream(engine, samples, options)
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
