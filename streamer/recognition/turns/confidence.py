"""How likely a pause is the end of a turn: logistic in the pause's length and the words.

The weights are those that `benchmarks/turns/fit.py` found on development speech (meetings of AMI,
LibriSpeech dev-clean); `benchmarks/results/turns_fit.json` has them with what each brings. The
voice's pitch was tried there and tells nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_FULL_STOPS: Final = tuple(".。．")
_QUESTIONS: Final = tuple("?!？！")
_MAX_NATS: Final = 6.0
"""The LLM is not believed beyond."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for the end of a turn at a pause, but for its length."""

    last_word: str
    """With its mark, as the recognizer would end the sentence there."""
    sentence_over: float | None = None
    """Log-odds (nats) by the LLM that the sentence is over; None: it was not asked."""

    def features(self) -> tuple[float, ...]:
        """Full stop, question mark, LLM."""
        nats = self.sentence_over or 0.0
        return (
            float(self.last_word.endswith(_FULL_STOPS)),
            float(self.last_word.endswith(_QUESTIONS)),
            max(-_MAX_NATS, min(_MAX_NATS, nats)),
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """In nats."""

    bias: float
    pause: float
    """Of the natural logarithm of the pause in seconds."""
    full_stop: float
    question: float
    sentence_over: float = 0.0

    def confidence(self, evidence: Evidence, pause_ms: float) -> float:
        """Probability that the turn is over when a pause has lasted for `pause_ms`."""
        weights = (self.full_stop, self.question, self.sentence_over)
        nats = self.bias + self.pause * log_pause(pause_ms)
        nats += sum(w * x for w, x in zip(weights, evidence.features(), strict=True))
        return 1 / (1 + math.exp(-nats))


def log_pause(pause_ms: float) -> float:
    """The pause as the weights take it."""
    return math.log(max(pause_ms, 1.0) / 1000)


WITH_LLM: Final = Weights(0.900, 0.852, 0.474, 0.850, 0.346)
WITHOUT_LLM: Final = Weights(-0.110, 0.880, 0.975, 0.899)


def confidence(evidence: Evidence, pause_ms: float) -> float:
    """By the weights for what is known."""
    weights = WITHOUT_LLM if evidence.sentence_over is None else WITH_LLM
    return weights.confidence(evidence, pause_ms)
