"""The fused decision: log-linear in the acoustics, the LLM, the length and the expected words.

    score(y) = log P_asr(y | audio) + w_second * log P_second(y | audio)
               + w_llm * log P_llm(y | context) + w_word * words(y) + w_hot * hot_words(y)

Delayed fusion (Hono et al., 2025): the LLM scores hypotheses the beam has already pruned. With
all weights 0 the acoustics alone decide.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from streamer.models.llm.contract import LlmRequest, SoftPrompt, TextScorer

_REMEMBERED_WORDS: Final = 60
"""They and a prompt fit into the context."""
_END_MARKS: Final = ".?!"
_MARKS: Final = ".,!?;:-–—…"
_LEAST: Final = 1e-4
"""No probability is nearer to 0 or 1."""


@dataclass(frozen=True)
class FusionWeights:
    """Tuned on LibriSpeech dev-clean by `benchmarks/research/tune_fusion.py`."""

    llm: float = 0.3
    """Of the LLM's log-probability; with 0 it has no say."""
    word: float = 0.0
    """Nats for each word; above 0 longer texts win more often."""
    hot_word: float = 5.0
    """Nats for each word or term that the session was told to expect. On development speech with
    lists of 100 words, 5 to 10 halved the errors in rare words, and 5 made the fewest words up."""


@dataclass(frozen=True)
class Candidate:
    """A text, its acoustic log-probability (nats), and how many expected words it has."""

    text: str
    logprob: float
    hot_words: int = 0
    second: float = 0.0
    """What the second listener says for it, in weighted nats; 0 if it was not asked."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What speaks for a candidate, in weighted nats; comparable within one decision only."""

    audio: float
    text: float
    length: float
    hot_words: float
    second: float = 0.0
    """Of the second listener."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """How sound and emotion shared in what the LLM got beside the text; empty if it got none."""

    @property
    def total(self) -> float:
        """The fused score."""
        return self.audio + self.second + self.text + self.length + self.hot_words


class Fusion(Protocol):
    """One session's running text, and what speaks for candidates that would continue it."""

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        """The terms of each candidate."""

    def append(self, text: str) -> None:
        """Words were committed."""

    def sentence_over(self, open_text: str) -> float:
        """Log-odds (nats) that a sentence ends behind the committed words and these, which may
        bring a mark of their own."""

    def expect(self, prompt: str) -> None:
        """What the LLM reads before the first word is another text from now on."""


def initial_prompt(context: str, hot_words: Sequence[str]) -> str:
    """What the LLM reads before the first word: the hot words, then the user's context."""
    parts = []
    if hot_words:
        parts.append("Names and terms: " + ", ".join(hot_words) + ".")
    if context:
        parts.append(context.strip())
    return "\n".join(parts) + ("\n" if parts else "")


class LlmFusion:
    """Fusion with a causal LM; holds the session's cached context."""

    def __init__(self, scorer: TextScorer, weights: FusionWeights, prompt: str) -> None:
        """
        Args:
            prompt: what the LLM reads before the first word.
        """
        self._scorer = scorer
        self._weights = weights
        self._context = scorer.context(prompt)
        self._said: deque[str] = deque(maxlen=_REMEMBERED_WORDS)

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        """See `Fusion`."""
        return self._weighted(candidates)

    def append(self, text: str) -> None:
        """See `Fusion`."""
        if text:
            self._scorer.extend(self._context, f" {text}")
            self._said.extend(text.split())

    def sentence_over(self, open_text: str) -> float:
        """See `Fusion`."""
        text = f" {open_text.rstrip(_MARKS)}"
        texts = [text, *(text + mark for mark in _END_MARKS)]
        (scores,) = self._scorer.score([LlmRequest(self._context, texts)])
        # What all share counts for none of them.
        over = sum(math.exp(score - scores[0]) for score in scores[1:])
        over = min(max(over, _LEAST), 1 - _LEAST)
        return math.log(over / (1 - over))

    def expect(self, prompt: str) -> None:
        """See `Fusion`. The newest words that were said stay behind it."""
        self._context = self._scorer.context(prompt)
        if self._said:
            self._scorer.extend(self._context, f" {' '.join(self._said)}")

    def _weighted(
        self, candidates: Sequence[Candidate], soft_prompt: SoftPrompt | None = None
    ) -> list[Terms]:
        weights = self._weights
        texts = [f" {candidate.text}" if candidate.text else "" for candidate in candidates]
        (scores,) = self._scorer.score([LlmRequest(self._context, texts, soft_prompt)])
        return [
            Terms(
                audio=candidate.logprob,
                text=weights.llm * llm,
                length=weights.word * len(candidate.text.split()),
                hot_words=weights.hot_word * candidate.hot_words,
                second=candidate.second,
            )
            for candidate, llm in zip(candidates, scores, strict=True)
        ]
