"""The fused decision: log-linear in the acoustics, the LLM and the length.

    score(y) = log P_asr(y | audio) + w_llm * log P_llm(y | context) + w_word * words(y)

Delayed fusion (Hono et al., 2025): the LLM scores hypotheses the beam has already pruned. With
`llm = 0` and `word = 0` the acoustics alone decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.llm import LlmScorer


@dataclass(frozen=True)
class FusionWeights:
    """Tuned on LibriSpeech dev-clean by `benchmarks/tune_fusion.py`."""

    llm: float = 0.2
    word: float = 0.0
    emotion_in_context: bool = True
    """Tell the LLM the emotion in the voice, as a stage direction: `(sad)`."""


@dataclass(frozen=True)
class Candidate:
    """A text and its acoustic log-probability (nats)."""

    text: str
    logprob: float


class Fusion(Protocol):
    """One session's running text, and the fused scores of candidates that would continue it."""

    def scores(self, candidates: Sequence[Candidate]) -> list[float]: ...

    def append(self, text: str) -> None:
        """Words were committed."""

    def hear(self, emotion: str) -> None:
        """The emotion in the voice, from here on."""


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

    def __init__(self, scorer: LlmScorer, weights: FusionWeights, opening: str) -> None:
        self._scorer = scorer
        self._weights = weights
        self._context = scorer.context(opening)
        self._emotion = ""

    def scores(self, candidates: Sequence[Candidate]) -> list[float]:
        """Fused score of each candidate; comparable among themselves only."""
        texts = [f" {candidate.text}" if candidate.text else "" for candidate in candidates]
        return [
            candidate.logprob
            + self._weights.llm * llm
            + self._weights.word * len(candidate.text.split())
            for candidate, llm in zip(candidates, self._ask(texts), strict=True)
        ]

    def _ask(self, texts: Sequence[str]) -> list[float]:
        return self._scorer.score([(self._context, texts)])[0]

    def append(self, text: str) -> None:
        if text:
            self._scorer.extend(self._context, f" {text}")

    def hear(self, emotion: str) -> None:
        if self._weights.emotion_in_context and emotion != self._emotion:
            self._scorer.extend(self._context, f" ({emotion})")
            self._emotion = emotion
