"""From a folder to a language model on a card."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from streamer.models.card.device import Card, Queue, in_parts_or_fail
from streamer.models.card.llm.model import CardLlm
from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.transformers_model import TransformersModel, read_model

_ASKED: Final = ("attention_mask", "position_ids", "logits_to_keep")
"""What a model has to be told where sessions share a pass."""


class QueuedLlm:
    """A `streamer.models.llm.contract.LanguageModel` that cannot be batched: it answers sessions
    one after the other. Calls from several threads wait for each other."""

    together = 1
    waits = False

    def __init__(self, model: Any, queue: Queue) -> None:
        self._model = TransformersModel(model)
        self._queue = queue
        self.queues = (queue,)
        self.bos = self._model.bos

    def new_cache(self) -> Any:
        return self._model.new_cache()

    def check_room(self) -> None:
        self._model.check_room()

    def logprobs(self, requests: Sequence[LlmTokenRequest]) -> list[list[float] | NoRoomError]:
        """See `streamer.models.llm.contract.LanguageModel`. A soft prompt is not understood."""
        with self._queue.turn():
            return in_parts_or_fail(self._model.logprobs, requests, 1)


def can_share(model: Any) -> bool:
    """Whether sessions can share its passes: where it can be told which token has which position
    and what is padding, and remembers keys and values alone."""
    accepted = inspect.signature(model.forward).parameters
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    return set(_ASKED) <= accepted.keys() and kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


def load_card_llm(
    folder: Path, *, threads: int, device: str, n_sessions: int
) -> CardLlm | QueuedLlm:
    """Opens a causal language model of the transformers library, in bfloat16.

    Args:
        folder: with `config.json` and the weights.
        threads: CPU threads that one pass may use.
        device: "cpu", "cuda" or "cuda:1".
        n_sessions: that memory is set aside for, if the model can be batched.

    Raises:
        ModelError: a file is missing, or it is no causal language model.
        DeviceUnavailableError: the device is not usable, or has too little memory.
    """
    card = Card(device)
    with card.fitting("the weights of the LLM"):
        model = read_model(folder, threads=threads, device=device)
    card.wait()
    queue = card.queue("llm")
    return CardLlm(model, card, queue, n_sessions) if can_share(model) else QueuedLlm(model, queue)
