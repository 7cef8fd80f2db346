"""Memory for the sound and the tokens of the open segments, allocated once.

A segment has a slot: a row of every pool. It is given back when nobody holds the slot any more.
"""

from __future__ import annotations

from typing import Final

import torch

from streamer.models.card.device import Card
from streamer.models.card.places import Slots
from streamer.models.moonshine.tokenizer import D_MODEL, N_LAYERS

MAX_FRAMES: Final = 1_408
"""Of a window: 33.8 s, more than the longest window and the audio that may wait beside it."""
MAX_BANDS: Final = 2 * MAX_FRAMES + 1
MAX_TOKENS: Final = 384
"""Behind the window's beginning; nobody says so much in that time."""
MAX_HYPOTHESES: Final = 32
"""Rows of one pass over the hypotheses of a segment."""


class Pools(Slots):
    """The memory itself. The last index along time is for what is written to nobody; so is the
    row behind the slots'. `own` and `cross` hold keys and values `[2 * layers, …]`, in turn."""

    def __init__(self, card: Card, n_slots: int) -> None:
        """Raises DeviceUnavailableError: the card's memory is too small."""
        super().__init__(n_slots)
        rows, device, dtype = n_slots + 1, card.device, card.dtype
        self._scratch = rows
        parts = 2 * N_LAYERS
        with card.fitting(f"{n_slots} sessions"):
            self.bands = torch.zeros((rows, MAX_BANDS + 1, 2 * D_MODEL), device=device, dtype=dtype)
            self.sums = torch.zeros(
                (rows, 3 * MAX_BANDS + 6, 2), device=device, dtype=torch.float64
            )
            frames = (parts, rows, MAX_FRAMES + 1, D_MODEL)
            self.own = torch.zeros(frames, device=device, dtype=dtype)
            self.cross = torch.zeros(frames, device=device, dtype=dtype)
            self.states = torch.zeros(frames[1:], device=device, dtype=dtype)
            tokens = (parts, rows + 2 * MAX_HYPOTHESES, MAX_TOKENS + 1, D_MODEL)
            self.tokens = torch.zeros(tokens, device=device, dtype=dtype)

    def scratch(self, half: int) -> range:
        """Rows of `tokens` for hypotheses: those of a pass, or those of the pass before it."""
        start = self._scratch + half * MAX_HYPOTHESES
        return range(start, start + MAX_HYPOTHESES)


def slot_bytes(dtype: torch.dtype) -> int:
    """Of one slot."""
    per_frame = (2 * 2 * N_LAYERS + 1) * D_MODEL
    values = (
        (MAX_FRAMES + 1) * per_frame
        + (MAX_BANDS + 1) * 2 * D_MODEL
        + 2 * N_LAYERS * (MAX_TOKENS + 1) * D_MODEL
    )
    return values * dtype.itemsize + (3 * MAX_BANDS + 6) * 2 * 8
