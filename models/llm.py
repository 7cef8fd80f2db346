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
        """Log-probability (nats) of each text as the continuation of the context.

        An empty text scores 0. What the texts have in common costs one row, not one each.
        """
        rows = [self.tokens(text) for text in continuations]
        shared = _common_prefix(rows)
        self._fill(context)
        cache, last = _fork(context.cache), context.tokens[-1]
        base = 0.0
        if shared:
            head = torch.tensor([[last, *shared[:-1]]], device=self._device)
            base = float(self._log_probs(head, cache, [shared])[0])
            last = shared[-1]
        tails = [row[len(shared) :] for row in rows]
        width = max(len(tail) for tail in tails)
        if width == 0:
            return [base] * len(rows)
        batch = torch.full((len(rows), width), self._pad, device=self._device)
        for i, tail in enumerate(tails):
            fed = [last, *tail][:width]
            batch[i, : len(fed)] = torch.tensor(fed, device=self._device)
        if len(rows) > 1:
            cache.batch_repeat_interleave(len(rows))
        return [base + score for score in self._log_probs(batch, cache, tails)]

    def _fill(self, context: LlmContext) -> None:
        """Bring the cache up to all context tokens but the last."""
        wanted = context.tokens[:-1]
        missing = wanted[len(context.cached) :]
        if missing:
            fed = torch.tensor([missing], device=self._device)
            self._model.model(fed, past_key_values=context.cache, use_cache=True)
            context.cached = wanted

    def _log_probs(
        self, fed: torch.Tensor, cache: DynamicCache, targets: Sequence[Sequence[int]]
    ) -> list[float]:
        """Sum of log P of `targets[i]`, predicted from `fed[i]`; grows `cache`."""
        hidden = self._model.model(fed, past_key_values=cache, use_cache=True).last_hidden_state
        row = [i for i, target in enumerate(targets) for _ in target]
        at = [j for target in targets for j in range(len(target))]
        ids = torch.tensor([t for target in targets for t in target], device=self._device)
        logits = self._model.lm_head(hidden[row, at]).float()
        picked = logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(dim=1)
        sums = torch.zeros(len(targets), device=self._device)
        sums.index_add_(0, torch.tensor(row, device=self._device), picked)
        scores: list[float] = sums.tolist()
        return scores


def _common_prefix(rows: Sequence[Sequence[int]]) -> list[int]:
    shared: list[int] = []
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return shared


def _fork(cache: DynamicCache) -> DynamicCache:
    """A cache with the same content whose growth leaves the original alone."""
    return DynamicCache([(layer.keys, layer.values) for layer in cache.layers])
