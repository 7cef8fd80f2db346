"""The fused decision: log-linear in the acoustics, the LLM, the length and the expected words.

    score(y) = log P_asr(y | audio) + w_llm * log P_llm(y | context) + w_word * words(y)
               + w_hot * hot_words(y)

Delayed fusion (Hono et al., 2025): the LLM scores hypotheses the beam has already pruned. With
all weights 0 the acoustics alone decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streamer.audio.arrays import Floats
from streamer.models.fusion.soft_tokens import SoftTokenLayer
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.scorer import LlmScorer


@dataclass(frozen=True)
class FusionWeights:
    """Tuned on LibriSpeech dev-clean by `benchmarks/tune_fusion.py`."""

    llm: float = 0.3
    """Of the LLM's log-probability; with 0 it has no say."""
    word: float = 0.0
    """Nats for each word; above 0 longer texts win more often."""
    hot_word: float = 5.0
    """Nats for each word or term that the session was told to expect. On development speech with
    lists of 100 words, 5 to 10 halved the errors in rare words, and 5 made the fewest words up."""
    emotion_in_context: bool = False
    """Tell the LLM the emotion in the voice, as a stage direction: `(sad)`. On read, non-native
    and acted speech it brought nothing (`benchmarks/fusion.py`)."""
    heard: tuple[str, ...] = ()
    """Modalities that the LLM hears as soft tokens: `audio`, `emotion`."""


@dataclass(frozen=True)
class Candidate:
    """A text, its acoustic log-probability (nats), and how many expected words it has."""

    text: str
    logprob: float
    hot_words: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What speaks for a candidate, in weighted nats; comparable within one decision only."""

    audio: float
    text: float
    length: float
    hot_words: float
    shares: Mapping[str, float] = field(default_factory=dict)
    """How the modalities shared in what the LLM heard; empty if it only read."""

    @property
    def total(self) -> float:
        """The fused score."""
        return self.audio + self.text + self.length + self.hot_words


class Fusion(Protocol):
    """One session's running text, and what speaks for candidates that would continue it."""

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]: ...

    def append(self, text: str) -> None:
        """Words were committed."""

    def hear(self, emotion: str) -> None:
        """The emotion in the voice, from here on."""

    def perceive(self, modality: str, features: Floats) -> None:
        """Features `[T, d]` of the newest audio, from here on."""


def stage_direction(emotion: str) -> str:
    """How the LLM reads and writes an emotion."""
    return f" ({emotion})"


def opening_text(context: str, hot_words: Sequence[str]) -> str:
    """What the LLM reads before the first word: the hot words, then the user's context."""
    parts = []
    if hot_words:
        parts.append("Names and terms: " + ", ".join(hot_words) + ".")
    if context:
        parts.append(context.strip())
    return "\n".join(parts) + ("\n" if parts else "")


class LlmFusion:
    """Fusion with a causal LM; holds the session's cached context."""

    def __init__(
        self,
        scorer: LlmScorer,
        weights: FusionWeights,
        opening: str,
        layer: SoftTokenLayer | None = None,
    ) -> None:
        self._layer = layer
        self._features: dict[str, Floats] = {}
        self._scorer = scorer
        self._weights = weights
        # Soft tokens stand before the last token of the context; that must not be the first.
        self._context = scorer.context(opening or ("\n" if layer is not None else ""))
        self._emotion = ""

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        """The terms of each candidate."""
        weights = self._weights
        soft = self._layer.fuse(self._features) if self._layer is not None else None
        texts = [f" {candidate.text}" if candidate.text else "" for candidate in candidates]
        request = LlmRequest(self._context, texts, soft.prompt if soft is not None else None)
        return [
            Terms(
                audio=candidate.logprob,
                text=weights.llm * llm,
                length=weights.word * len(candidate.text.split()),
                hot_words=weights.hot_word * candidate.hot_words,
                shares=soft.shares if soft is not None else {},
            )
            for candidate, llm in zip(candidates, self._score(request), strict=True)
        ]

    def _score(self, request: LlmRequest) -> list[float]:
        return self._scorer.score([request])[0]

    def perceive(self, modality: str, features: Floats) -> None:
        if modality in self._weights.heard:
            self._features[modality] = features

    def append(self, text: str) -> None:
        if text:
            self._scorer.extend(self._context, f" {text}")

    def hear(self, emotion: str) -> None:
        if self._weights.emotion_in_context and emotion != self._emotion:
            self._scorer.extend(self._context, stage_direction(emotion))
            self._emotion = emotion
