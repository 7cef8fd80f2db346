"""What a pass is told of its sessions.

Rows remember more or less: all are padded before their beginnings, so that what is fed follows each
at once. What a layer sees of the distance between two tokens is right, whatever the kind of its
attention, and a window of it reaches as far back as alone. Padding is masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor

from streamer.models.card.device import Words
from streamer.models.card.llm.contexts import Context, ContextSlots
from streamer.models.llm.transformers_model import NOTHING
from streamer.models.staging import sent

_N_INTS: Final = 3


@dataclass(frozen=True)
class Row:
    """What is fed behind what a session remembers."""

    context: Context
    fed: Sequence[int]
    following: Sequence[int] = ()
    """What is to follow each of it."""


class Batch:
    """Rows `[B, W]` behind the contexts of several sessions."""

    def __init__(
        self,
        rows: Sequence[Row],
        slots: ContextSlots,
        device: torch.device,
        *,
        grows: bool = False,
    ) -> None:
        """
        Args:
            grows: what is fed is written to the contexts.
        """
        self.width = max(len(row.fed) for row in rows)
        self.n_past = max(len(row.context.tokens) for row in rows)
        words = _words(rows, self.width, slots.nobody)
        told = sent(words.ravel(), device).view(words.shape).long()
        slot, self._n_past, self._length = told[:, :_N_INTS].unbind(1)
        self.fed, self.following = told[:, _N_INTS:].view(len(rows), 2, -1).unbind(1)
        new = self._length if grows else None
        self.states = slots.cache(slot, self._n_past, self.n_past, new, self.width)

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


def _words(rows: Sequence[Row], width: int, nobody: int) -> Words:
    """Of each row its slot, how many tokens are before it and in it; then what is fed, and what is
    to follow each of it."""
    words = np.zeros((len(rows), _N_INTS + 2 * width), np.int32)
    words[:, _N_INTS + width :] = NOTHING
    for at, row in enumerate(rows):
        slot = nobody if row.context.slot is None else row.context.slot.index
        words[at, :_N_INTS] = (slot, len(row.context.tokens), len(row.fed))
        words[at, _N_INTS : _N_INTS + len(row.fed)] = row.fed
        words[at, _N_INTS + width : _N_INTS + width + len(row.following)] = row.following
    return words
