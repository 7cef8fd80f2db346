"""The LLM decoder: scores hypotheses as continuations of the running text.

The model behind it is one of two: `models.gemma` (made for this, eight bits) or, for any other
causal model, `models.llm_transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from models.errors import ModelMissingError
from models.runtime import calm_openmp

Floats = npt.NDArray[np.float32]

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
class Heard:
    """Soft tokens: `rows [S, D]` that stand, like embedded words, before the last token of the
    context, so that what predicts a text is always a word; `sight_nats` is added to the scores of
    the words' attention to them."""

    rows: Floats
    sight_nats: float = 0.0


@dataclass(frozen=True, eq=False)
class Ask:
    """Texts that would continue a context, and what was heard."""

    context: LlmContext
    texts: Sequence[str]
    heard: Heard | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """Rows of tokens that would continue a context, and what was heard. Their first `shared`
    tokens are the same and are not scored."""

    context: Sequence[int]
    cache: Any
    rows: Sequence[Sequence[int]]
    shared: int
    heard: Heard | None = None


class LanguageModel(Protocol):
    """A causal language model."""

    bos: int

    def new_cache(self) -> Any:
        """An empty cache for one session."""

    def logprobs(self, questions: Sequence[Question]) -> list[list[float]]:
        """For each row of each question log P(row[shared:] | context, heard, row[:shared]) in
        nats. Only a model that the fusion layer was trained for can hear.

        One pass answers all questions; an answer does not depend on what shares the pass. The
        caches are brought up to date. A cache must not be in two calls at once.
        """


class LlmScorer:
    """Answers "how likely is this text, after that one?" for all sessions."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer

    def tokens(self, text: str) -> list[int]:
        """Token ids of `text`, without control tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def context(self, text: str = "") -> LlmContext:
        """A fresh context that begins with `text` (its newest part, if it is long)."""
        ids = self.tokens(text)[-KEPT_CONTEXT_TOKENS:]
        return LlmContext([self._model.bos, *ids], self._model.new_cache())

    def extend(self, context: LlmContext, text: str) -> None:
        """Append committed text. Words carry their leading space: ` word`."""
        context.tokens.extend(self.tokens(text))
        if len(context.tokens) > MAX_CONTEXT_TOKENS:
            context.tokens = [self._model.bos, *context.tokens[-KEPT_CONTEXT_TOKENS:]]

    def score(self, asked: Sequence[Ask]) -> list[list[float]]:
        """Log-probability (nats) of each text as the continuation of its context, less what
        the common beginning of a context's texts contributes to all of them alike.

        A context must not be in two calls at once, nor twice in one.
        """
        questions = []
        for ask in asked:
            rows = [self.tokens(text)[:MAX_CONTINUATION_TOKENS] for text in ask.texts]
            shared = _common_prefix(rows)
            context = ask.context
            questions.append(Question(context.tokens, context.cache, rows, shared, ask.heard))
        telling = [question for question in questions if _tells(question)]
        answers = iter(self._model.logprobs(telling) if telling else ())
        return [
            next(answers) if _tells(question) else [0.0] * len(question.rows)
            for question in questions
        ]


def open_llm(folder: Path, *, threads: int, device: str = "cpu") -> LlmScorer:
    """Open the model in `folder`: graphs of `models.gemma_graph`, or any causal language model
    in transformers' format; `tokenizer.json` in either case.

    Raises:
        models.errors.ModelError: a file is missing, or it is no causal language model.
        models.runtime.DeviceUnavailableError: the device is not usable.
    """
    from models.gemma import BODY_FILE, Gemma

    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise ModelMissingError(f"the model {folder} is not complete (it has no {tokenizer.name})")
    model: LanguageModel
    if (folder / BODY_FILE).is_file():
        model = Gemma(folder, threads=threads, device=device)
    else:
        # torch and transformers take seconds to import: only for those who use them.
        calm_openmp()
        from models.llm_transformers import TransformersModel

        model = TransformersModel(folder, threads=threads, device=device)
    return LlmScorer(model, Tokenizer.from_file(str(tokenizer)))


def _tells(question: Question) -> bool:
    """Whether any row goes on behind what all share."""
    return any(len(row) > question.shared for row in question.rows)


def _common_prefix(rows: Sequence[Sequence[int]]) -> int:
    shared = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared
