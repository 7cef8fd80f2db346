"""The LLM decoder: scores hypotheses as continuations of the running text.

The context's keys and values are cached, so the cost of a score does not grow with the
transcript; the hypotheses go through the model as one batch behind that cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, DynamicCache

MAX_CONTEXT_TOKENS: Final = 256
KEPT_CONTEXT_TOKENS: Final = 128
"""When the running context outgrows the maximum, its newest part goes on in a fresh cache."""


@dataclass
class LlmContext:
    """One session's running text in the LLM: tokens, and the cache of all but the last."""

    tokens: list[int]
    cached: list[int]
    cache: DynamicCache


class LlmScorer:
    """A causal language model behind the question "how likely is this text, after that one?".

    Not safe for calls from several threads at once; the engine gives it a lane of its own.
    """

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        """Load a transformers causal LM with `tokenizer.json` from `folder`."""
        self._device = torch.device(device)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        self._model = model.to(self._device).eval()
        self._bos = int(model.config.bos_token_id)
        self._pad = int(model.config.pad_token_id)

    def tokens(self, text: str) -> list[int]:
        """Token ids of `text`, without control tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def context(self, text: str = "") -> LlmContext:
        """A fresh context that begins with `text` (its newest part, if it is long)."""
        ids = self.tokens(text)[-KEPT_CONTEXT_TOKENS:]
        return LlmContext([self._bos, *ids], [], DynamicCache())

    def extend(self, context: LlmContext, text: str) -> None:
        """Append committed text. Words carry their leading space: ` word`."""
        context.tokens.extend(self.tokens(text))
        if len(context.tokens) > MAX_CONTEXT_TOKENS:
            context.tokens = [self._bos, *context.tokens[-KEPT_CONTEXT_TOKENS:]]
            context.cached, context.cache = [], DynamicCache()

    @torch.inference_mode()
    def score(self, context: LlmContext, continuations: Sequence[str]) -> list[float]:
        """Log-probability (nats) of each text as the continuation of the context, less what
        their common beginning contributes to all of them alike.
        """
        rows = [self.tokens(text) for text in continuations]
        shared = _common_prefix(rows)
        width = max(len(row) for row in rows)
        if width == shared:
            return [0.0] * len(rows)
        self._fill(context)
        fed = torch.full((len(rows), width), self._pad, device=self._device)
        for i, row in enumerate(rows):
            known = [context.tokens[-1], *row][:width]
            fed[i, : len(known)] = torch.tensor(known, device=self._device)
        cache = _fork(context.cache, len(rows))
        hidden = self._model.model(fed, past_key_values=cache, use_cache=True).last_hidden_state
        # The vocabulary is most of the cost: only positions that tell rows apart go through it.
        at = [(i, j) for i, row in enumerate(rows) for j in range(shared, len(row))]
        index = torch.tensor(at, device=self._device)
        ids = torch.tensor([rows[i][j] for i, j in at], device=self._device)
        logits = self._model.lm_head(hidden[index[:, 0], index[:, 1]]).float()
        picked = logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(dim=1)
        sums = torch.zeros(len(rows), device=self._device).index_add_(0, index[:, 0], picked)
        scores: list[float] = sums.tolist()
        return scores

    def _fill(self, context: LlmContext) -> None:
        """Bring the cache up to all context tokens but the last."""
        wanted = context.tokens[:-1]
        missing = wanted[len(context.cached) :]
        if missing:
            fed = torch.tensor([missing], device=self._device)
            self._model.model(fed, past_key_values=context.cache, use_cache=True)
            context.cached = wanted


def _common_prefix(rows: Sequence[Sequence[int]]) -> int:
    shared = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared


def _fork(cache: DynamicCache, n_rows: int) -> DynamicCache:
    """A batch of `n_rows` copies of the cache; their growth leaves the original alone."""
    return DynamicCache(
        [
            (layer.keys.expand(n_rows, -1, -1, -1), layer.values.expand(n_rows, -1, -1, -1))
            for layer in cache.layers
        ]
    )
