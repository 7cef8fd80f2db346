"""The LLM decoder: scores hypotheses as continuations of the running text."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import (
    KEPT_CONTEXT_TOKENS,
    MAX_CONTEXT_TOKENS,
    MAX_CONTINUATION_TOKENS,
    LanguageModel,
    LlmContext,
    LlmRequest,
    LlmTokenRequest,
)


class LlmScorer:
    """A `streamer.models.llm.contract.TextScorer` for all sessions."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer) -> None:
        self.model = model
        self._tokenizer = tokenizer

    def tokens(self, text: str) -> list[int]:
        """Token ids of `text`, without control tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def context(self, text: str = "") -> LlmContext:
        """A fresh context that begins with `text` (its newest part, if it is long)."""
        ids = self.tokens(text)[-KEPT_CONTEXT_TOKENS:]
        return LlmContext([self.model.bos, *ids], self.model.new_cache())

    def extend(self, context: LlmContext, text: str) -> None:
        """Append committed text. Words carry their leading space: ` word`."""
        context.tokens.extend(self.tokens(text))
        if len(context.tokens) > MAX_CONTEXT_TOKENS:
            context.tokens = [self.model.bos, *context.tokens[-KEPT_CONTEXT_TOKENS:]]

    def score(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        """As `score_or_fail`.

        Raises:
            NoRoomError: one of them has no answer.
        """
        found = []
        for answer in self.score_or_fail(requests):
            if isinstance(answer, NoRoomError):
                raise answer
            found.append(answer)
        return found

    def score_or_fail(self, requests: Sequence[LlmRequest]) -> list[list[float] | NoRoomError]:
        """Log-probability (nats) of each text as the continuation of its context, less what
        the common beginning of a context's texts contributes to all of them alike; or why a
        request has no answer.

        A context must not be in two calls at once, nor twice in one.
        """
        tokenized = [self._tokenized(request) for request in requests]
        differing = [request for request in tokenized if _differs(request)]
        answers = iter(self.model.logprobs(differing) if differing else ())
        return [
            next(answers) if _differs(request) else [0.0] * len(request.rows)
            for request in tokenized
        ]

    def _tokenized(self, request: LlmRequest) -> LlmTokenRequest:
        rows = [self.tokens(text)[:MAX_CONTINUATION_TOKENS] for text in request.texts]
        context = request.context
        return LlmTokenRequest(
            context.tokens, context.cache, rows, _common_prefix(rows), request.soft_prompt
        )


def _differs(request: LlmTokenRequest) -> bool:
    """Whether any row goes on behind what all share."""
    return any(len(row) > request.shared for row in request.rows)


def _common_prefix(rows: Sequence[Sequence[int]]) -> int:
    shared = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared
