"""Memory for the sound and the tokens of the open segments, allocated once.

A segment has a slot: a row of every pool. It is given back when nobody holds the slot any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from streamer.models.card.device import Card
from streamer.models.card.places import Slots
from streamer.models.moonshine.config import CONVOLVED, MoonshineConfig
from streamer.models.moonshine.encoder import (
    BANDS_PER_FRAME,
    FIRST_OVERLAP,
    FIRST_PER_BAND,
    FRAME_REACH_BANDS,
)

MAX_SAMPLES: Final = 540_672
"""Of a window: 33.8 s, more than the longest window and the audio that may wait beside it."""
KNOWN_SAMPLES: Final = (98_304, 196_608, MAX_SAMPLES)
"""Buckets of a window's length."""
MAX_TOKENS: Final = 384
"""Behind the window's beginning; nobody says so much in that time."""
MAX_HYPOTHESES: Final = 32
"""Rows of one pass over the hypotheses of a segment."""
_FRAMES_MULTIPLE: Final = 8
"""Half precision is fast where lengths are such."""


def known_frames(config: MoonshineConfig) -> tuple[int, ...]:
    """Buckets of the frames of a window: of `KNOWN_SAMPLES`."""
    multiple = _FRAMES_MULTIPLE
    return tuple(multiple * -(-n // (multiple * config.frame_samples)) for n in KNOWN_SAMPLES)


@dataclass(frozen=True)
class _Pool:
    """`[parts, rows, length, width]`, or without parts `[rows, length, width]`."""

    length: int
    width: int
    parts: int = 0
    dtype: torch.dtype | None = None
    """None: the card's."""
    more_rows: int = 0
    """Behind the slots'."""

    def zeros(self, n_rows: int, card: Card) -> Tensor:
        shape = (n_rows + self.more_rows, self.length, self.width)
        return torch.zeros(
            (self.parts, *shape) if self.parts else shape,
            device=card.device,
            dtype=self.dtype or card.dtype,
        )

    def slot_bytes(self, dtype: torch.dtype) -> int:
        return max(1, self.parts) * self.length * self.width * (self.dtype or dtype).itemsize


class Pools(Slots):
    """The memory itself. The last index along time is for what is written to nobody; so is the
    row behind the slots'. `cross`, `tokens` and the encoder's `own` hold keys and values
    `[2 * layers, …]`, in turn."""

    def __init__(self, card: Card, n_slots: int, config: MoonshineConfig) -> None:
        """Raises DeviceUnavailableError: the card's memory is too small."""
        super().__init__(n_slots)
        self.config = config
        self.max_frames = known_frames(config)[-1]
        """Of a window; the place of what is written to nobody."""
        self._scratch = n_slots + 1
        with card.fitting(f"{n_slots} sessions"):
            self._made = {
                name: pool.zeros(n_slots + 1, card) for name, pool in _pools(config).items()
            }
        self.states, self.cross = self._made["states"], self._made["cross"]
        self.tokens, self.own = self._made["tokens"], self._made["own"]

    @property
    def nbytes(self) -> int:
        return sum(pool.nbytes for pool in self._made.values())

    def scratch(self, half: int) -> range:
        """Rows of `tokens` for hypotheses: those of a pass, or those of the pass before it."""
        start = self._scratch + half * MAX_HYPOTHESES
        return range(start, start + MAX_HYPOTHESES)


class WholePools(Pools):
    """For an encoder whose frames attend to all others: `bands` and `sums` as of `EncoderStream`,
    `own [2 * layers, rows, frames, …]` of all frames."""

    def __init__(self, card: Card, n_slots: int, config: MoonshineConfig) -> None:
        super().__init__(card, n_slots, config)
        self.bands, self.sums = self._made["bands"], self._made["sums"]
        self.max_bands = self.bands.shape[1] - 1


class WindowedPools(Pools):
    """For an encoder whose frames attend to their neighbours: `features` of all frames, `convolved`
    the last inputs of both convolutions, `own [2 * layers, rows, reach, …]` of the last frames that
    have settled, the newest last."""

    def __init__(self, card: Card, n_slots: int, config: MoonshineConfig) -> None:
        super().__init__(card, n_slots, config)
        self.features = self._made["features"]
        self.convolved = self._made["first"], self._made["second"]


def slot_bytes(config: MoonshineConfig, dtype: torch.dtype) -> int:
    """Of one slot."""
    return sum(pool.slot_bytes(dtype) for pool in _pools(config).values())


def _pools(config: MoonshineConfig) -> Mapping[str, _Pool]:
    encoder, decoder = config.encoder, config.decoder
    length = known_frames(config)[-1] + 1
    own, cross = 2 * encoder.n_layers, 2 * decoder.n_layers
    pools = {
        "states": _Pool(length, encoder.d_model),
        "cross": _Pool(length, decoder.d_heads, cross),
        "tokens": _Pool(MAX_TOKENS + 1, decoder.d_heads, cross, more_rows=2 * MAX_HYPOTHESES),
    }
    if config.windows:
        exact = torch.float32
        return pools | {
            "features": _Pool(length, encoder.d_model),
            "first": _Pool(CONVOLVED, encoder.d_model, dtype=exact),
            "second": _Pool(CONVOLVED, 2 * encoder.d_model, dtype=exact),
            "own": _Pool(config.reach, encoder.d_heads, own),
        }
    n_bands = BANDS_PER_FRAME * (length - 2) + FRAME_REACH_BANDS
    n_sums = FIRST_PER_BAND * n_bands + FIRST_OVERLAP + 2
    return pools | {
        "bands": _Pool(n_bands + 1, 2 * encoder.d_model),
        "sums": _Pool(n_sums, 2, dtype=torch.float64),
        "own": _Pool(length, encoder.d_heads, own),
    }
