"""Moonshine's encoder for many streams at once; what it keeps lies in the streams' slots.

It computes what `streamer.models.moonshine.encoder` computes, and says there why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamer.models.card.device import Queue, bucket
from streamer.models.card.encoding import Kept, Row, Sizes, SlotEncoder
from streamer.models.card.layers import attend, layer_norm, rotated, turns
from streamer.models.card.moonshine import EncoderTensors
from streamer.models.card.places import Slot
from streamer.models.card.slots import MAX_SAMPLES, WholePools, known_frames
from streamer.models.moonshine.contract import EncodeRequest
from streamer.models.moonshine.encoder import (
    BAND_REACH_SAMPLES,
    BAND_SAMPLES,
    BANDS_PER_FRAME,
    FIRST_OVERLAP,
    FIRST_PER_BAND,
    FRAME_REACH_BANDS,
    NORM_EPSILON,
    SETTLED_MS,
)
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES

FRAMES: Final = (128, 256, 512, MAX_SAMPLES // FRAME_SAMPLES)
"""Buckets of new frames."""
_USUAL: Final = ((8_192, 128, 256), (8_192, 256, 256), (8_192, 128, 512), (8_192, 512, 512))
"""Encoded afresh or not."""
SAMPLES: Final = (8_192, 16_384, 65_536, 192_000, MAX_SAMPLES + BAND_SAMPLES + BAND_REACH_SAMPLES)
"""Buckets of samples: a step's, and whole windows."""


@dataclass
class _Whole(Kept):
    """The fields of `EncoderStream`, counted."""

    n_bands: int = 0
    n_settled: int = 0
    first_position: int = 0


class CardEncoder(SlotEncoder[_Whole]):
    """For an encoder whose frames attend to all others. A row: samples from band `n_bands` on, then
    the frames `first … end` of as many bands as they hear."""

    def __init__(
        self,
        weights: EncoderTensors,
        pools: WholePools,
        queue: Queue,
        *,
        settled_ms: float = SETTLED_MS,
    ) -> None:
        """
        Args:
            settled_ms: as of `AsrEncoder`.
        """
        super().__init__(pools, queue, (pools.nobody, 0, 1, 0, 0, 0))
        self._weights, self._pools, self._config = weights, pools, pools.config
        self._known_frames = known_frames(pools.config)
        self._unsettled_frames = int(settled_ms * 16) // FRAME_SAMPLES

    def _begin(self, slot: Slot) -> _Whole:
        return _Whole(slot, np.zeros(0, np.float32))

    def _usual(self) -> Iterator[Sizes]:
        yield from _USUAL

    def _take(self, kept: _Whole, request: EncodeRequest) -> Row:
        if request.n_forgotten:
            self._forget(kept, request.n_forgotten)
        heard = np.concatenate([kept.waiting, request.samples])
        n_before = kept.n_bands
        n_new = _n_bands(len(heard))
        kept.n_bands += n_new
        kept.waiting = heard[n_new * BAND_SAMPLES :]
        n_heard = kept.n_bands * BAND_SAMPLES + len(kept.waiting)
        n_used = kept.n_bands
        if request.n_samples < n_heard:
            n_used = min(n_used, _n_bands(request.n_samples))
        elif request.n_silent:
            heard = np.append(heard, np.zeros(request.n_silent, np.float32))
            n_used = n_before + _n_bands(len(heard))
        end = max(0, (n_used - FRAME_REACH_BANDS) // BANDS_PER_FRAME + 1)
        if request.afresh or end < kept.n_settled:
            kept.n_settled = kept.first_position = 0
        first = min(kept.n_settled, end)
        kept.n_settled = max(kept.n_settled, end - self._unsettled_frames)
        n_first = 1
        if end > 0:
            n_heard_bands = BANDS_PER_FRAME * (end - 1) + FRAME_REACH_BANDS
            n_first = FIRST_PER_BAND * n_heard_bands + FIRST_OVERLAP
        ints = (kept.slot.index, n_before, n_first, first, end, kept.first_position)
        if len(heard) < BAND_REACH_SAMPLES and end <= first:
            return Row(heard, ints, end, None)
        n_frames = bucket(FRAMES, end - first) if end > first else 0
        sizes = (bucket(SAMPLES, len(heard)), n_frames, bucket(self._known_frames, end))
        return Row(heard, ints, end, sizes)

    def _forget(self, kept: _Whole, n_frames: int) -> None:
        """Move what is left to the slot's beginning."""
        pools, index, n_bands = self._pools, kept.slot.index, BANDS_PER_FRAME * n_frames
        left = max(0, kept.n_bands - n_bands)
        for pool, at, length in (
            (pools.bands[index], n_bands, left),
            (
                pools.sums[index],
                FIRST_PER_BAND * n_bands,
                FIRST_PER_BAND * left + FIRST_OVERLAP + 1,
            ),
        ):
            pool[:length] = pool[at : at + length].clone()
        settled = max(0, kept.n_settled - n_frames)
        for frames in (pools.own[:, index], pools.cross[:, index], pools.states[None, index]):
            frames[:, :settled] = frames[:, n_frames : n_frames + settled].clone()
        kept.n_bands, kept.n_settled = left, settled
        kept.first_position += n_frames

    def _pass(self, words: Tensor, n_rows: int, *sizes: int) -> Tensor:
        n_samples, n_new, n_frames = sizes
        words = words.view(n_rows, -1)
        slots, n_bands, n_first, first, end, position = words[:, :-n_samples].long().unbind(1)
        self._stem(words[:, -n_samples:].view(torch.float32), slots, n_bands)
        if n_new:
            frames = first[:, None] + torch.arange(n_new, device=words.device)
            x = self._features(slots, n_first, first, n_new)
            turn = turns(position[:, None] + frames, self._config)
            # What lies behind the end is written to nobody.
            places = torch.where(frames < end[:, None], frames, self._pools.max_frames)
            self._layers(x, turn, slots[:, None], places, end, n_frames)
        return slots

    def _stem(self, samples: Tensor, slots: Tensor, n_bands: Tensor) -> None:
        """The bands of the samples, and how the running sums of the first convolution go on."""
        pools, weights = self._pools, self._weights
        x = functional.conv1d(samples[:, None], weights.first, stride=64).tanh()
        sums = torch.stack((x.sum(1), x.square().sum(1)), dim=-1).double().cumsum(1)
        starts = FIRST_PER_BAND * n_bands
        sums += pools.sums[slots, starts][:, None]
        at = starts[:, None] + torch.arange(1, sums.shape[1] + 1, device=samples.device)
        pools.sums[slots[:, None], at.clamp(max=pools.sums.shape[1] - 1)] = sums
        bands = functional.conv1d(x, weights.second, stride=3).transpose(1, 2)
        at = n_bands[:, None] + torch.arange(bands.shape[1], device=samples.device)
        pools.bands[slots[:, None], at.clamp(max=pools.max_bands)] = bands.to(pools.bands.dtype)

    def _features(self, slots: Tensor, n_first: Tensor, first: Tensor, n_new: int) -> Tensor:
        """Norm, third convolution: `[B, F, D]`."""
        pools, weights = self._pools, self._weights
        width = BANDS_PER_FRAME * (n_new - 1) + FRAME_REACH_BANDS
        at = BANDS_PER_FRAME * first[:, None] + torch.arange(width, device=slots.device)
        bands = pools.bands[slots[:, None], at.clamp(max=pools.max_bands)].float()
        n_values = n_first[:, None] * self._config.encoder.d_model
        moments = (pools.sums[slots, n_first] - pools.sums[slots, 0]) / n_values
        mean = moments[:, :1]
        inverse = (moments[:, 1:] - mean.square() + NORM_EPSILON).rsqrt()
        offset = weights.of_gain * (mean * inverse).float() - weights.of_shift
        x = functional.gelu(bands * inverse.float()[:, None] - offset[:, None])
        x = x.to(weights.third.dtype).transpose(1, 2)
        x = functional.conv1d(x, weights.third, weights.third_bias, stride=2)
        return functional.gelu(x).transpose(1, 2)

    def _layers(
        self,
        x: Tensor,
        turn: tuple[Tensor, Tensor],
        slots: Tensor,
        places: Tensor,
        end: Tensor,
        n_frames: int,
    ) -> None:
        pools, weights = self._pools, self._weights
        n_heads = self._config.encoder.n_heads
        mask = (torch.arange(n_frames, device=x.device) < end[:, None])[:, None, None]
        for layer, (attention, feed_forward) in enumerate(weights.layers):
            query, key, value = (layer_norm(x, attention.norm) @ attention.qkv).chunk(3, dim=-1)
            keys, values = pools.own[2 * layer], pools.own[2 * layer + 1]
            keys[slots, places] = rotated(key, turn, n_heads)
            values[slots, places] = value
            mixed, _ = attend(
                rotated(query, turn, n_heads),
                keys[slots[:, 0], :n_frames],
                values[slots[:, 0], :n_frames],
                mask,
                n_heads,
            )
            x = feed_forward.run(x + mixed @ attention.out)
        states = layer_norm(x, weights.norm)
        pools.states[slots, places] = states
        for part, cross in enumerate((states @ weights.cross).chunk(len(pools.cross), dim=-1)):
            pools.cross[part][slots, places] = cross


def _n_bands(n_samples: int) -> int:
    return max(0, (n_samples - BAND_REACH_SAMPLES) // BAND_SAMPLES + 1)
