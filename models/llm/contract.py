"""What the scorer asks of a causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streamer.audio.arrays import Floats
from streamer.models.errors import NoRoomError

MAX_CONTEXT_TOKENS: Final = 256
KEPT_CONTEXT_TOKENS: Final = 128
"""When the running context outgrows the maximum, its newest part goes on."""
MAX_CONTINUATION_TOKENS: Final = 256
"""More of a hypothesis is not scored; speech never gives so much between two commits."""


@dataclass
class LlmContext:
    """One session's running text in the LLM, and what the model remembers of it."""

    tokens: list[int]
    cache: Any


@dataclass(frozen=True, eq=False)
class SoftPrompt:
    """Soft tokens: `rows [S, D]` that stand, like embedded words, before the last token of the
    context, so that what predicts a text is always a word; `attention_bias` (nats) is added to the
    scores of the words' attention to them."""

    rows: Floats
    attention_bias: float = 0.0


@dataclass(frozen=True, eq=False)
class LlmRequest:
    """What to score: texts that would continue a context."""

    context: LlmContext
    texts: Sequence[str]
    soft_prompt: SoftPrompt | None = None


@dataclass(frozen=True, eq=False)
class LlmTokenRequest:
    """The same in tokens: rows that would continue the `context`. Their first `shared` tokens are
    the same and are not scored."""

    context: Sequence[int]
    cache: Any
    rows: Sequence[Sequence[int]]
    shared: int
    soft_prompt: SoftPrompt | None = None


class TextScorer(Protocol):
    """Answers "how likely is this text, after that one?". The real one is
    `streamer.models.llm.scorer.LlmScorer`."""

    def context(self, text: str = "") -> LlmContext:
        """A fresh context that begins with `text`."""

    def extend(self, context: LlmContext, text: str) -> None:
        """Append text. Words carry their leading space: ` word`."""

    def score(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        """Log-probability (nats) of each text of each request, less what its texts share.

        Raises:
            NoRoomError: a graphics card has no memory for one of them.
        """


class LanguageModel(Protocol):
    """A causal language model."""

    bos: int
    together: int
    """Requests that one call should have, at most."""
    waits: bool
    """Whether many cost hardly more than one, so that the first may wait for others."""

    def new_cache(self) -> Any:
        """An empty cache for one session."""

    def check_room(self) -> None:
        """
        Raises:
            NoRoomError: a graphics card has no memory for one more session.
        """

    def logprobs(self, requests: Sequence[LlmTokenRequest]) -> Sequence[list[float] | NoRoomError]:
        """For each row of each request log P(row[shared:] | context, soft prompt, row[:shared]) in
        nats; or why there is no answer to this request. Only a model that the fusion layer was
        trained for understands a soft prompt.

        One pass answers all requests; an answer does not depend on what shares the pass, but for
        rounding on a card. The caches are brought up to date. A cache must not be in two calls at
        once; a context has at most `MAX_CONTEXT_TOKENS`.
        """
