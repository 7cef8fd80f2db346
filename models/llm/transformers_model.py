"""Any causal language model that transformers can load, as the LLM decoder.

It is slower than `gemma` but needs no graphs: a request's rows go through the model as
one batch behind the cached context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache

from streamer.models.errors import ModelCorruptError, opening
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.onnx.runtime import require_torch_device
from streamer.models.staging import sent

NOTHING: Final = -1
"""In the place of a token that is not scored."""


@dataclass
class _ContextCache:
    tokens: list[int] = field(default_factory=list)
    states: DynamicCache = field(default_factory=DynamicCache)


def read_model(folder: Path, *, threads: int, device: str = "cpu") -> Any:
    """The library's causal language model in `folder`, in bfloat16.

    Raises:
        ModelError: a file is missing, or it is no causal language model of attention alone.
        DeviceUnavailableError: the device is not usable.
    """
    require_torch_device(device)
    torch.set_num_threads(threads)
    with opening(str(folder), "a causal language model"):
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, trust_remote_code=False
        )
    if any(DynamicCache(config=model.config).is_linear):
        raise ModelCorruptError(
            f"{folder} has recurrent layers: what they remember cannot be shared by several texts; "
            "choose an LLM of attention alone"
        )
    return model.to(torch.device(device)).eval()


def first_token(model: Any) -> int:
    """What stands before a text. Models that know no beginning have learned that texts end where
    others begin."""
    text = model.config.get_text_config()
    begins = [text.bos_token_id, text.eos_token_id, text.pad_token_id]
    return next(_first(token) for token in begins if token is not None)


def summed_logprobs(logits: Tensor, following: Tensor) -> Tensor:
    """Of each row, in nats, the sum over its tokens `[B]`.

    Args:
        logits: `[B, T, V]`, float32.
        following: `[B, T]`, the token behind each place; `NOTHING` where none is scored.
    """
    asked = logits.gather(2, following.clamp(min=0)[..., None])[..., 0]
    asked = (asked - logits.logsumexp(dim=-1)).masked_fill(following == NOTHING, 0)
    return asked.sum(dim=-1)


class TransformersModel:
    """A `LanguageModel`. Not safe for calls from several threads at once."""

    together = 8
    waits = False

    def __init__(self, model: Any) -> None:
        """
        Args:
            model: of `read_model`.
        """
        self._model = model
        self._device = model.device
        self.bos = first_token(model)

    def new_cache(self) -> _ContextCache:
        return _ContextCache()

    def check_room(self) -> None:
        """Memory is taken as contexts grow."""

    @torch.inference_mode()
    def logprobs(self, requests: Sequence[LlmTokenRequest]) -> list[list[float]]:
        """See `streamer.models.llm.contract.LanguageModel`; requests are answered one by one."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: LlmTokenRequest) -> list[float]:
        cache: _ContextCache = request.cache
        self._fill(cache, list(request.context[:-1]))
        rows, shared = request.rows, request.shared
        width = max(len(row) for row in rows)
        # What is fed, and what is to follow each of it. Rows are padded behind their end, where no
        # scored token sees it.
        words = np.zeros((2, len(rows), width), np.int32)
        words[1] = NOTHING
        for i, row in enumerate(rows):
            known = [request.context[-1], *row][:width]
            words[0, i, : len(known)] = known
            words[1, i, : len(row)] = row
        fed, following = sent(words.ravel(), self._device).view(words.shape).long()
        # Only the positions that tell rows apart go through the vocabulary.
        logits = self._model(
            fed,
            past_key_values=_fork(cache.states, len(rows)),
            logits_to_keep=torch.arange(shared, width, device=self._device),
        ).logits.float()
        found: list[float] = summed_logprobs(logits, following[:, shared:]).tolist()
        return found

    def _fill(self, cache: _ContextCache, wanted: list[int]) -> None:
        """Bring the cache up to the `wanted` tokens."""
        if cache.tokens != wanted[: len(cache.tokens)]:
            cache.tokens, cache.states = [], DynamicCache()
        missing = wanted[len(cache.tokens) :]
        if missing:
            # A pass that fails may have grown some layers: then nothing is remembered.
            states, cache.tokens, cache.states = cache.states, [], DynamicCache()
            fed = sent(np.array(missing, np.int32), self._device).long()[None]
            self._model(fed, past_key_values=states, logits_to_keep=1)
            cache.tokens, cache.states = wanted, states


def _fork(cache: DynamicCache, n_rows: int) -> DynamicCache:
    """A batch of `n_rows` copies of the cache; their growth leaves the original alone."""
    return DynamicCache(
        [
            (layer.keys.expand(n_rows, -1, -1, -1), layer.values.expand(n_rows, -1, -1, -1))
            for layer in cache.layers
        ]
    )


def _first(token: int | list[int]) -> int:
    return token[0] if isinstance(token, list) else token
