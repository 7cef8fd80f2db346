"""Moonshine Streaming's encoder for many streams at once; what it keeps lies in the streams' slots.

It computes what `streamer.models.moonshine.windowed_encoder` computes, and says there why.
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
from streamer.models.card.layers import attend, layer_norm
from streamer.models.card.moonshine import WindowedTensors
from streamer.models.card.places import Slot
from streamer.models.card.slots import WindowedPools
from streamer.models.moonshine.config import CONVOLVED, WINDOW_SAMPLES, WINDOWED_FRAME_SAMPLES
from streamer.models.moonshine.contract import EncodeRequest

_STEP_FRAMES: Final = (26, 52, 208, 600)
"""Buckets of the frames of samples: a step's, and more; the last is a whole window."""
_NEW_FRAMES: Final = (48, 128, 512)
"""Buckets of new frames: a step's, and more; the last is a whole window."""
_USUAL: Final = ((26, 48),)
_NORM_EPSILON: Final = 1e-6
_WINDOWS_PER_FRAME: Final = WINDOWED_FRAME_SAMPLES // WINDOW_SAMPLES
_STRIDE: Final = 2
"""Of either convolution."""


@dataclass
class _Windowed(Kept):
    """The fields of `WindowedStream`, counted; `n_past` keys and values of settled frames."""

    n_features: int = 0
    n_settled: int = 0
    n_past: int = 0


class WindowedCardEncoder(SlotEncoder[_Windowed]):
    """For an encoder whose frames attend to their neighbours. A row: samples of the frames from
    `n_features` on, of which the convolutions leave `n_heard` behind; then the frames `first …
    end`, the oldest `n_settling` of which settle, behind `n_past` others."""

    def __init__(self, weights: WindowedTensors, pools: WindowedPools, queue: Queue) -> None:
        super().__init__(pools, queue, (pools.nobody, 0, 0, 0, 0, 0, 0))
        self._weights, self._pools, self._config = weights, pools, pools.config
        self._sample_buckets = [
            n_frames * WINDOWED_FRAME_SAMPLES for n_frames in (*_STEP_FRAMES, pools.max_frames)
        ]
        self._frame_buckets = (*_NEW_FRAMES, pools.max_frames)

    def _begin(self, slot: Slot) -> _Windowed:
        for pool in self._pools.convolved:
            pool[slot.index].zero_()
        return _Windowed(slot, np.zeros(0, np.float32))

    def _usual(self) -> Iterator[Sizes]:
        for n_heard, n_new in _USUAL:
            yield n_heard * WINDOWED_FRAME_SAMPLES, n_new, self._pools.max_frames

    def _n_attended(self, sizes: Sizes) -> int:
        return self._config.reach + sizes[1]

    def _take(self, kept: _Windowed, request: EncodeRequest) -> Row:
        if request.n_forgotten:
            self._forget(kept, request.n_forgotten)
        heard = np.concatenate([kept.waiting, request.samples])
        n_before, n_new = kept.n_features, len(heard) // WINDOWED_FRAME_SAMPLES
        kept.n_features += n_new
        kept.waiting = heard[n_new * WINDOWED_FRAME_SAMPLES :]
        if request.n_samples < kept.n_features * WINDOWED_FRAME_SAMPLES + len(kept.waiting):
            end = min(kept.n_features, _n_frames(request.n_samples))
        else:
            heard = np.append(heard, np.zeros(request.n_silent, np.float32))
            # What is no whole window is not heard.
            heard = heard[: len(heard) // WINDOW_SAMPLES * WINDOW_SAMPLES]
            end = n_before + _n_frames(len(heard))
        first, n_past = min(kept.n_settled, end), kept.n_past
        n_surely = min(end, kept.n_features)
        n_settling = max(0, n_surely - self._config.look_ahead - first) if end > first else 0
        kept.n_settled += n_settling
        kept.n_past = min(self._config.reach, n_past + n_settling)
        ints = (kept.slot.index, n_before, n_new, first, end, n_past, n_settling)
        if not n_new and end <= first:
            return Row(heard, ints, end, None)
        n_frames = bucket(self._frame_buckets, end - first) if end > first else 0
        most = self._pools.max_frames  # of any window: what is older costs a pass nothing
        sizes = (bucket(self._sample_buckets, len(heard)), n_frames, bucket((most,), end))
        return Row(heard, ints, end, sizes)

    def _forget(self, kept: _Windowed, n_frames: int) -> None:
        """Move what is left to the slot's beginning. What the decoder attends to knows its place:
        it is computed again."""
        pools, index = self._pools, kept.slot.index
        if n_frames > kept.n_settled:  # between what is known and what is left is a gap
            kept.n_past = 0
        kept.n_features = left = max(0, kept.n_features - n_frames)
        kept.n_settled = settled = max(0, kept.n_settled - n_frames)
        for pool, length in ((pools.features[index], left), (pools.states[index], settled)):
            pool[:length] = pool[n_frames : n_frames + length].clone()
        states = pools.states[index, :settled] + self._weights.positions[:settled]
        parts = (states @ self._weights.cross).chunk(len(pools.cross), dim=-1)
        for part, cross in enumerate(parts):
            pools.cross[part, index, :settled] = cross

    def _pass(self, words: Tensor, n_rows: int, *sizes: int) -> Tensor:
        n_samples, n_new, _ = sizes
        words = words.view(n_rows, -1)
        rows = words[:, :-n_samples].long().unbind(1)
        slots, n_features, n_heard, first, end, n_past, n_settling = rows
        samples = words[:, -n_samples:].view(torch.float32)
        later = self._stem(samples, slots, n_features, n_heard)
        if n_new:
            later += self._layers(slots, first, end, n_past, n_settling, n_new)
        # What a pass goes on from is written last: one that fails may be run again.
        for pool, values in later:
            pool[slots] = values
        return slots

    def _stem(
        self, samples: Tensor, slots: Tensor, n_features: Tensor, n_heard: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Features of the samples; gives what the convolutions then go on from."""
        pools, weights = self._pools, self._weights
        windows = samples.reshape(len(samples), -1, WINDOW_SAMPLES)
        x = functional.layer_norm(windows, windows.shape[-1:], eps=_NORM_EPSILON)
        x = (x * weights.compression).asinh() @ weights.frames
        later, n_done = [], n_heard * _WINDOWS_PER_FRAME
        for pool, (kernel, bias) in zip(pools.convolved, weights.convolutions, strict=True):
            x = torch.cat((pool[slots], functional.silu(x)), dim=1)
            ends = n_done[:, None] + torch.arange(CONVOLVED, device=x.device)
            later.append((pool, x.gather(1, ends[..., None].expand(-1, -1, x.shape[-1]))))
            x = functional.conv1d(x.transpose(1, 2), kernel, bias, stride=_STRIDE).transpose(1, 2)
            n_done = n_done // _STRIDE
        at = n_features[:, None] + torch.arange(x.shape[1], device=x.device)
        at = at.clamp(max=pools.max_frames)
        pools.features[slots[:, None], at] = x.to(pools.features.dtype)
        return later

    def _layers(
        self,
        slots: Tensor,
        first: Tensor,
        end: Tensor,
        n_past: Tensor,
        n_settling: Tensor,
        n_new: int,
    ) -> list[tuple[Tensor, Tensor]]:
        """States of the new frames; gives the keys and values of the last that have settled."""
        pools, weights, reach = self._pools, self._weights, self._config.reach
        n_heads, order = self._config.encoder.n_heads, torch.arange(n_new, device=slots.device)
        frames = first[:, None] + order
        # What lies behind the end is written to nobody.
        places = torch.where(frames < end[:, None], frames, pools.max_frames)
        seen = self._seen(end - first, n_past, n_new)
        kept = n_settling[:, None] + torch.arange(reach, device=slots.device)
        x = pools.features[slots[:, None], frames.clamp(max=pools.max_frames)]
        later = []
        for layer, (attention, feed_forward) in enumerate(weights.layers):
            query, key, value = (layer_norm(x, attention.norm) @ attention.qkv).chunk(3, dim=-1)
            own = []
            for pool, new in zip(pools.own[2 * layer : 2 * layer + 2], (key, value), strict=True):
                known = torch.cat((pool[slots], new), dim=1)
                own.append(known)
                later.append((pool, known.gather(1, kept[..., None].expand(-1, -1, new.shape[-1]))))
            mask = seen[self._config.windows[layer]]
            mixed, _ = attend(query, own[0], own[1], mask, n_heads)
            x = feed_forward.run(x + mixed @ attention.out)
        states = layer_norm(x, weights.norm)
        at = slots[:, None], places
        pools.states[at] = states
        placed = (states + weights.positions[places]) @ weights.cross
        for part, cross in enumerate(placed.chunk(len(pools.cross), dim=-1)):
            pools.cross[part][at] = cross
        return later

    def _seen(self, n_frames: Tensor, n_past: Tensor, n_new: int) -> dict[tuple[int, int], Tensor]:
        """For each window which of `reach` old and the new frames `[B, 1, F, reach + F]` a new one
        attends to."""
        known = torch.arange(-self._config.reach, n_new, device=n_past.device)
        ahead = known - known[-n_new:, None]
        there = ((known >= -n_past[:, None]) & (known < n_frames[:, None]))[:, None]
        return {
            (before, behind): (there & (ahead > -before) & (ahead < max(behind, 1)))[:, None]
            for before, behind in set(self._config.windows)
        }


def _n_frames(n_samples: int) -> int:
    """Frames that begin with a whole 5 ms of these."""
    return (n_samples - WINDOW_SAMPLES) // WINDOWED_FRAME_SAMPLES + 1
