"""A causal language model that scores for several sessions in a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from streamer.models.card.device import Card, Queue, in_parts_or_fail
from streamer.models.card.llm.batch import Batch, Row
from streamer.models.card.llm.contexts import Context, ContextSlots, slot_bytes, token_of
from streamer.models.card.loading import check_memory, slots_of
from streamer.models.card.places import NoSlotError
from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import MAX_CONTEXT_TOKENS, LlmTokenRequest
from streamer.models.llm.transformers_model import NOTHING, first_token, summed_logprobs

TOGETHER: Final = 16
"""Sessions that share a pass, at most."""
_MOST_TOKENS: Final = 1_024
"""Of a pass that scores: each has a logit for all of the vocabulary."""


class CardLlm:
    """A `streamer.models.llm.contract.LanguageModel`. Calls from several threads wait for each
    other."""

    together = TOGETHER
    waits = True

    def __init__(self, model: Any, card: Card, queue: Queue, n_sessions: int) -> None:
        """
        Args:
            model: of the library, one that `streamer.models.card.llm.loading.can_share`.
            n_sessions: that memory is set aside for.

        Raises:
            DeviceUnavailableError: they do not fit; the message says how many do.
        """
        self._model, self._card = model, card
        self._queue = queue
        self.queues = (queue,)
        self.bos = first_token(model)
        with card.fitting("the LLM"):
            token = token_of(model)
        n_slots = slots_of(n_sessions)
        check_memory(card, "the LLM's contexts", n_sessions, n_slots, slot_bytes(token))
        self.slots = ContextSlots(card, n_slots, token)
        card.wait()

    @property
    def device(self) -> torch.device:
        return self._card.device

    def new_cache(self) -> Any:
        return Context()

    def check_room(self) -> None:
        """See `streamer.models.llm.contract.LanguageModel`."""
        self.slots.check()

    def logprobs(self, requests: Sequence[LlmTokenRequest]) -> list[list[float] | NoRoomError]:
        """See `streamer.models.llm.contract.LanguageModel`. A soft prompt is not understood.

        Raises:
            ValueError: a context is longer than a slot.
        """
        longest = max((len(request.context) for request in requests), default=0)
        if longest > MAX_CONTEXT_TOKENS:
            raise ValueError(f"a context has {longest} tokens, more than {MAX_CONTEXT_TOKENS}")
        with self._queue.turn():
            answers: dict[int, list[float] | NoRoomError] = {
                at: error
                for at, request in enumerate(requests)
                if (error := self._refused(request)) is not None
            }
            served = [at for at in range(len(requests)) if at not in answers]
            for places in _passes(requests, served):
                found = in_parts_or_fail(self._run, [requests[at] for at in places], TOGETHER)
                answers.update(zip(places, found, strict=True))
            return [answers[at] for at in range(len(requests))]

    def _refused(self, request: LlmTokenRequest) -> NoSlotError | None:
        """Why there is no place for what it is to remember; None: there is."""
        context: Context = request.cache
        try:
            if context.slot is None and len(request.context) > 1:
                context.slot = self.slots.take()
        except NoSlotError as error:
            return error.with_traceback(None)
        return None

    def _run(self, requests: Sequence[LlmTokenRequest]) -> list[list[float]]:
        with self._queue.noted(type(self).__qualname__):
            self._extend(requests)
            found = self._scored(requests)
        scores: Iterator[float] = iter(found.tolist())
        return [[next(scores) for _ in request.rows] for request in requests]

    def _extend(self, requests: Sequence[LlmTokenRequest]) -> None:
        """Bring the caches up to all but the last token of their contexts, in one pass."""
        rows = []
        for request in requests:
            context, wanted = request.cache, list(request.context[:-1])
            if context.tokens != wanted[: len(context.tokens)]:
                context.tokens = []
            if len(context.tokens) < len(wanted):
                rows.append(Row(context, wanted[len(context.tokens) :]))
        if not rows:
            return
        self._pass(Batch(rows, self.slots, self._card.device, grows=True), 1)
        for row in rows:
            row.context.tokens = [*row.context.tokens, *row.fed]

    def _scored(self, requests: Sequence[LlmTokenRequest]) -> Tensor:
        """Of each row of each request, `[rows]`."""
        rows = [
            Row(
                request.cache,
                [request.context[-1], *tokens[:-1]],
                [*[NOTHING] * request.shared, *tokens[request.shared :]],
            )
            for request in requests
            for tokens in request.rows
        ]
        batch = Batch(rows, self.slots, self._card.device)
        # Only the positions that tell rows apart go through the vocabulary.
        first = min(request.shared for request in requests)
        kept = torch.arange(first, batch.width, device=self._card.device)
        logits = self._pass(batch, kept).float()
        return summed_logprobs(logits, batch.following[:, first:])

    def _pass(self, batch: Batch, kept: int | Tensor) -> Tensor:
        logits: Tensor = self._model(
            batch.fed,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            past_key_values=batch.states,
            logits_to_keep=kept,
        ).logits
        return logits


def _passes(requests: Sequence[LlmTokenRequest], served: Sequence[int]) -> Iterator[list[int]]:
    """Which of the requests that are served share a pass: those with rows of like length, as many
    as it may hold."""
    widths = [max(1, *map(len, request.rows)) for request in requests]
    places: list[int] = []
    n_rows = 0
    for at in sorted(served, key=widths.__getitem__):
        n_own = len(requests[at].rows)
        if places and (n_rows + n_own) * widths[at] > _MOST_TOKENS:
            yield places
            places, n_rows = [], 0
        places.append(at)
        n_rows += n_own
    yield places
