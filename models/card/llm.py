"""A causal language model of the transformers library on a card, batched over sessions.

Each session's context is remembered as keys and values. A pass lays those of its sessions side by
side, padded before their beginnings, so that what is fed follows each at once: what a layer sees of
the distance between two tokens is right, whatever the kind of its attention, and a window of it
reaches as far back as alone. Padding is masked.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from streamer.models.card.device import Card, Queue, Words, in_parts_or_fail
from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.transformers_model import (
    NOTHING,
    TransformersModel,
    first_token,
    read_model,
    summed_logprobs,
)
from streamer.models.staging import sent

TOGETHER: Final = 16
"""Sessions that share a pass, at most."""
_MOST_TOKENS: Final = 1_024
"""Of a pass that scores: each has a logit for all of the vocabulary."""
_ASKED: Final = ("attention_mask", "position_ids", "logits_to_keep")
"""What a model has to be told where sessions share a pass."""
_N_INTS: Final = 3


@dataclass
class _Context:
    tokens: list[int] = field(default_factory=list)
    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Keys and values of the tokens, each `[T, heads, D]`."""


@dataclass(frozen=True)
class _Row:
    """What is fed behind what a session remembers."""

    session: int
    """In the order of the pass."""
    n_past: int
    fed: Sequence[int]
    following: Sequence[int] = ()
    """What is to follow each of it."""


class CardLlm:
    """A `streamer.models.llm.contract.LanguageModel`. Calls from several threads wait for each
    other."""

    def __init__(self, model: Any, card: Card, queue: Queue) -> None:
        """
        Args:
            model: of the library. One that cannot be batched (see `can_share`) answers sessions one
                after the other.
        """
        self._model, self._card = model, card
        self._queue = queue
        self.queues = (queue,)
        self.bos = first_token(model)
        self._alone = None if can_share(model) else TransformersModel(model)
        self.together = 1 if self._alone else TOGETHER
        self.waits = self._alone is None

    @property
    def device(self) -> torch.device:
        return self._card.device

    def new_cache(self) -> Any:
        return _Context() if self._alone is None else self._alone.new_cache()

    def logprobs(self, requests: Sequence[LlmTokenRequest]) -> list[list[float] | NoRoomError]:
        """See `streamer.models.llm.contract.LanguageModel`. A soft prompt is not understood."""
        with self._queue.turn():
            if self._alone is not None:
                return in_parts_or_fail(self._alone.logprobs, requests, 1)
            answers: dict[int, list[float] | NoRoomError] = {}
            for places in _passes(requests):
                found = in_parts_or_fail(self._run, [requests[at] for at in places], TOGETHER)
                answers.update(zip(places, found, strict=True))
            return [answers[at] for at in range(len(requests))]

    def _run(self, requests: Sequence[LlmTokenRequest]) -> list[list[float]]:
        with self._queue.noted(type(self).__qualname__):
            self._extend(requests)
            found = self._scored(requests)
        scores: Iterator[float] = iter(found.tolist())
        return [[next(scores) for _ in request.rows] for request in requests]

    def _extend(self, requests: Sequence[LlmTokenRequest]) -> None:
        """Bring the caches up to all but the last token of their contexts, in one pass."""
        growing: list[tuple[_Context, list[int]]] = []
        for request in requests:
            context, wanted = request.cache, list(request.context[:-1])
            if context.tokens != wanted[: len(context.tokens)]:
                context.tokens, context.layers = [], []
            if len(context.tokens) < len(wanted):
                growing.append((context, wanted))
        if not growing:
            return
        rows = []
        for at, (context, wanted) in enumerate(growing):
            n_past = len(context.tokens)
            rows.append(_Row(at, n_past, wanted[n_past:]))
        batch = _Batch([context for context, _ in growing], rows, self._card.device)
        self._pass(batch, 1)
        for row, (context, wanted) in zip(rows, growing, strict=True):
            own = slice(batch.n_past - row.n_past, batch.n_past + len(row.fed))
            context.tokens, context.layers = wanted, batch.layers(row.session, own)

    def _scored(self, requests: Sequence[LlmTokenRequest]) -> Tensor:
        """Of each row of each request, `[rows]`."""
        rows = [
            _Row(
                at,
                len(request.context) - 1,
                [request.context[-1], *tokens[:-1]],
                [*[NOTHING] * request.shared, *tokens[request.shared :]],
            )
            for at, request in enumerate(requests)
            for tokens in request.rows
        ]
        batch = _Batch([request.cache for request in requests], rows, self._card.device)
        # Only the positions that tell rows apart go through the vocabulary.
        first = min(request.shared for request in requests)
        kept = torch.arange(first, batch.width, device=self._card.device)
        logits = self._pass(batch, kept).float()
        return summed_logprobs(logits, batch.following[:, first:])

    def _pass(self, batch: _Batch, kept: int | Tensor) -> Tensor:
        logits: Tensor = self._model(
            batch.fed,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            past_key_values=batch.states,
            logits_to_keep=kept,
        ).logits
        return logits


class _Batch:
    """Rows `[B, W]` behind the contexts of several sessions."""

    def __init__(
        self, contexts: Sequence[_Context], rows: Sequence[_Row], device: torch.device
    ) -> None:
        self.width = max(len(row.fed) for row in rows)
        self.n_past = max(row.n_past for row in rows)
        words = _words(rows, self.width)
        told = sent(words.ravel(), device).view(words.shape).long()
        session, self._n_past, self._length = told[:, :_N_INTS].unbind(1)
        self.fed, self.following = told[:, _N_INTS:].view(len(rows), 2, -1).unbind(1)
        self.states = DynamicCache(list(_side_by_side(contexts, session)) or None)
        """It grows by what is fed."""

    @cached_property
    def positions(self) -> Tensor:
        """Of what is fed. Padding behind a row has the position of its end: more may be none."""
        order = torch.arange(self.width, device=self.fed.device)
        return self._n_past[:, None] + torch.minimum(order, self._length[:, None] - 1)

    @cached_property
    def mask(self) -> Tensor | None:
        """1 for what a row may see, `[B, n_past + W]`; None: all of it. Nobody who is listened to
        sees the padding behind a row."""
        if not self.n_past:
            return None  # the library would wait for the card to learn that
        places = torch.arange(self.n_past + self.width, device=self.fed.device)
        return (places >= self.n_past - self._n_past[:, None]).long()

    def layers(self, row: int, places: slice) -> list[tuple[Tensor, Tensor]]:
        """A copy of a row's keys and values, as a context has them."""

        def own(part: Tensor) -> Tensor:
            return part[row, :, places].transpose(0, 1).clone(memory_format=torch.contiguous_format)

        return [(own(layer.keys), own(layer.values)) for layer in self.states.layers]


def _side_by_side(contexts: Sequence[_Context], session: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each layer the keys and values that each row has before it, each `[B, heads, P, D]`,
    padded at the beginning; nothing if nobody remembers anything."""
    remembered = next((context.layers for context in contexts if context.layers), [])
    for at, like in enumerate(remembered):
        layers = [context.layers[at] if context.layers else _none(like) for context in contexts]
        keys, values = (
            pad_sequence(list(part), batch_first=True, padding_side="left")
            for part in zip(*layers, strict=True)
        )
        yield keys[session].transpose(1, 2), values[session].transpose(1, 2)


def _none(like: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return like[0][:0], like[1][:0]


def _words(rows: Sequence[_Row], width: int) -> Words:
    """Of each row its session, how many tokens are before it and in it; then what is fed, and what
    is to follow each of it."""
    words = np.zeros((len(rows), _N_INTS + 2 * width), np.int32)
    words[:, _N_INTS + width :] = NOTHING
    for at, row in enumerate(rows):
        words[at, :_N_INTS] = (row.session, row.n_past, len(row.fed))
        words[at, _N_INTS : _N_INTS + len(row.fed)] = row.fed
        words[at, _N_INTS + width : _N_INTS + width + len(row.following)] = row.following
    return words


def _passes(requests: Sequence[LlmTokenRequest]) -> Iterator[list[int]]:
    """Which requests share a pass: those with rows of like length, as many as it may hold."""
    widths = [max(1, *map(len, request.rows)) for request in requests]
    places: list[int] = []
    n_rows = 0
    for at in sorted(range(len(requests)), key=widths.__getitem__):
        n_own = len(requests[at].rows)
        if places and (n_rows + n_own) * widths[at] > _MOST_TOKENS:
            yield places
            places, n_rows = [], 0
        places.append(at)
        n_rows += n_own
    yield places


def can_share(model: Any) -> bool:
    """Whether sessions can share its passes: where it can be told which token has which position
    and what is padding, and remembers keys and values alone."""
    accepted = inspect.signature(model.forward).parameters
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    return set(_ASKED) <= accepted.keys() and kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


def load_card_llm(folder: Path, *, threads: int, device: str) -> CardLlm:
    """Opens a causal language model of the transformers library, in bfloat16.

    Args:
        folder: with `config.json` and the weights.
        threads: CPU threads that one pass may use.
        device: "cpu", "cuda" or "cuda:1".

    Raises:
        ModelError: a file is missing, or it is no causal language model.
        DeviceUnavailableError: the device is not usable, or has too little memory.
    """
    card = Card(device)
    with card.fitting("the weights of the LLM"):
        model = read_model(folder, threads=threads, device=device)
    card.wait()
    return CardLlm(model, card, card.queue("llm"))
