"""Keys and values of an LLM's contexts, in memory that is set aside once.

A context has a slot. In a pass a layer takes what its rows remember from there, by one index, when
its turn comes, and writes what is new there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from streamer.models.card.device import Card
from streamer.models.card.places import Slot, Slots
from streamer.models.llm.contract import MAX_CONTEXT_TOKENS

Kept = tuple[Tensor, Tensor]
"""Keys and values of a layer."""


@dataclass
class Context:
    """One session's."""

    tokens: list[int] = field(default_factory=list)
    """What is remembered of it."""
    slot: Slot | None = None
    """Where; None until it remembers something."""


class ContextSlots(Slots):
    """Of each layer keys and values, each `[(slots + 1) * MAX_CONTEXT_TOKENS, heads, D]`: the
    tokens of a slot follow each other. The last slot is nobody's: rows that remember nothing look
    at its first token, which stays zeros; its last is what is written to nobody."""

    def __init__(self, card: Card, n_slots: int, token: Sequence[Kept]) -> None:
        """
        Args:
            token: of `token_of`.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        super().__init__(n_slots)
        n_places = (n_slots + 1) * MAX_CONTEXT_TOKENS
        with card.fitting(f"the LLM's contexts of {n_slots} sessions"):
            self._layers = [
                (keys.new_zeros(n_places, *keys.shape), values.new_zeros(n_places, *values.shape))
                for keys, values in token
            ]
        self._waste = n_places - 1

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for layer in self._layers for part in layer)

    def cache(
        self, slot: Tensor, n_past: Tensor, longest: int, n_new: Tensor | None, width: int
    ) -> Cache:
        """For a pass of `[B, width]` tokens behind what its rows remember, which is padded before
        its beginning.

        Args:
            slot, n_past: where each row's context lies, and how much of it is there, `[B]`.
            longest: of `n_past`.
            n_new: so many tokens of each row are new in its context, and written there, `[B]`;
                None: nothing is.
        """
        slot, n_past = slot[:, None] * MAX_CONTEXT_TOKENS, n_past[:, None]
        at = torch.arange(longest, device=slot.device) - longest + n_past
        past = slot + at.clamp(min=0)  # padding is the first token again: its own, and a number
        new = None
        if n_new is not None:
            order = torch.arange(width, device=slot.device)
            new = torch.where(order < n_new[:, None], slot + n_past + order, self._waste)
        return Cache([_SlotLayer(kept, past, new) for kept in self._layers])


class _SlotLayer(DynamicLayer):  # type: ignore[misc]  # the library has no types
    """One layer's, in one pass."""

    def __init__(self, kept: Kept, past: Tensor, new: Tensor | None) -> None:
        """
        Args:
            past: where each row's tokens lie, `[B, P]`.
            new: where to write those of the pass, `[B, W]`.
        """
        super().__init__()
        self._kept, self._past, self._new = kept, past, new

    def get_seq_length(self) -> int:
        return self._past.shape[1]

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """The rows' new keys and values `[B, heads, W, D]` behind those that they remember."""
        return self._behind(self._kept[0], keys), self._behind(self._kept[1], values)

    def _behind(self, kept: Tensor, new: Tensor) -> Tensor:
        if self._new is not None:
            kept[self._new] = new.transpose(1, 2)
        return torch.cat([kept[self._past].transpose(1, 2), new], dim=2)


@torch.inference_mode()
def token_of(model: Any) -> list[Kept]:
    """What each layer of the library's model remembers of a token, `[heads, D]` each, as a pass
    shows it: configurations tell it in many ways."""
    cache = DynamicCache()
    first = torch.zeros((1, 1), dtype=torch.long, device=model.device)
    model(first, past_key_values=cache, logits_to_keep=1)
    return [(layer.keys[0, :, 0], layer.values[0, :, 0]) for layer in cache.layers]


def slot_bytes(token: Sequence[Kept]) -> int:
    """Of one slot.

    Args:
        token: of `token_of`.
    """
    return MAX_CONTEXT_TOKENS * sum(part.nbytes for kept in token for part in kept)
