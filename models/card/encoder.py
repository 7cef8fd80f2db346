"""Moonshine's encoder for many streams at once; what it keeps lies in the streams' slots.

It computes what `streamer.models.moonshine.encoder` computes, and says there why.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamer.audio.arrays import Floats
from streamer.models.card.device import ROWS, Queue, Words, bucket, in_parts_or_fail
from streamer.models.card.layers import attend, layer_norm, rotated, turns
from streamer.models.card.moonshine import EncoderTensors
from streamer.models.card.places import NoSlotError, Slot
from streamer.models.card.slots import MAX_BANDS, MAX_FRAMES, Pools
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
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
from streamer.models.moonshine.tokenizer import D_MODEL, FRAME_SAMPLES

FRAMES: Final = (128, 256, 512, MAX_FRAMES)
"""Buckets of new frames."""
KNOWN_FRAMES: Final = (256, 512, MAX_FRAMES)
"""Buckets of the frames of a window."""
_USUAL: Final = ((8_192, 128, 256), (8_192, 256, 256), (8_192, 128, 512), (8_192, 512, 512))
"""Sizes of the steps of a window that grows to ten seconds, encoded afresh or not."""
SAMPLES: Final = (8_192, 16_384, 65_536, 192_000, BAND_SAMPLES * MAX_BANDS + BAND_REACH_SAMPLES)
"""Buckets of samples: a step's, and whole windows."""
_MOST_VALUES: Final = 1 << 24
"""New frames times known ones of a pass, at most: what its attention takes memory for."""
_N_INTS: Final = 6


@dataclass(frozen=True)
class SlotAudio:
    """A `streamer.models.moonshine.contract.Audio` that lies in a slot, as long as nothing newer is
    encoded there."""

    slot: Slot
    n_frames: int
    pools: Pools
    queue: Queue

    @property
    def states(self) -> Floats:
        """A copy. Waits for the card."""
        with self.queue.turn():
            kept = self.pools.states[self.slot.index, : self.n_frames]
            found: Floats = kept.float().cpu().numpy()
            return found


@dataclass
class _Kept:
    """A stream's slot, and what is in it: the fields of `EncoderStream`, counted."""

    slot: Slot
    waiting: Floats
    n_bands: int = 0
    n_settled: int = 0
    first_position: int = 0


@dataclass(frozen=True)
class _Row:
    """What a stream takes of a pass: samples from band `n_bands` on, then the frames `first … end`
    of `n_used` bands."""

    kept: _Kept
    samples: Floats
    n_bands: int
    first: int
    end: int

    @property
    def ints(self) -> tuple[int, ...]:
        n_used = BANDS_PER_FRAME * (self.end - 1) + FRAME_REACH_BANDS
        n_first = FIRST_PER_BAND * n_used + FIRST_OVERLAP
        position = self.kept.first_position
        return (self.kept.slot.index, self.n_bands, n_first, self.first, self.end, position)


class CardEncoder:
    """Encodes the newest sound of many streams together."""

    def __init__(
        self,
        weights: EncoderTensors,
        pools: Pools,
        queue: Queue,
        *,
        settled_ms: float = SETTLED_MS,
    ) -> None:
        """
        Args:
            settled_ms: as of `AsrEncoder`.
        """
        self._weights, self._pools, self._queue = weights, pools, queue
        self._unsettled_frames = int(settled_ms * 16) // FRAME_SAMPLES
        self._kept: weakref.WeakKeyDictionary[AudioStream, _Kept] = weakref.WeakKeyDictionary()

    def encode(self, requests: Sequence[EncodeRequest]) -> Sequence[SlotAudio | Exception | None]:
        """Forget, listen and encode, as `AsrEncoder` does for one. Does not wait for the card. For
        a new stream without a place, or sound that finds no memory, the error stands in the
        answer's place; such a stream must not be used again.

        Raises:
            ValueError: a window is longer than 33 s.
        """
        answers: list[SlotAudio | Exception | None] = []
        passes: dict[tuple[int, int, int], list[_Row]] = defaultdict(list)
        places: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        with self._queue.turn():
            for at, request in enumerate(requests):
                try:
                    row = self._take(request)
                except NoSlotError as error:
                    answers.append(error.with_traceback(None))
                    continue
                kept = row.kept
                if len(row.samples) >= BAND_REACH_SAMPLES or row.end > row.first:
                    n_frames = row.end - row.first
                    sizes = (
                        bucket(SAMPLES, len(row.samples)),
                        bucket(FRAMES, n_frames) if n_frames > 0 else 0,
                        bucket(KNOWN_FRAMES, row.end),
                    )
                    passes[sizes].append(row)
                    places[sizes].append(at)
                kept.n_settled = max(kept.n_settled, row.end - self._unsettled_frames)
                audio = SlotAudio(kept.slot, row.end, self._pools, self._queue)
                answers.append(audio if row.end > 0 else None)
            for sizes, rows in passes.items():
                done = in_parts_or_fail(partial(self._run, sizes), rows, _most_rows(sizes))
                for at, failure in zip(places[sizes], done, strict=True):
                    if failure is not None:
                        answers[at] = failure
        return answers

    def warm_up(self) -> None:
        """Capture the usual passes."""
        for n_rows in ROWS:
            for sizes in _USUAL:
                if n_rows > _most_rows(sizes):
                    continue
                words = self._blank(n_rows, sizes[0]).reshape(-1)
                self._queue.warm_up(self._pass, words, n_rows, *sizes)

    def _take(self, request: EncodeRequest) -> _Row:
        kept = self._kept.get(request.stream)
        if kept is None:
            kept = _Kept(self._pools.take(), np.zeros(0, np.float32))
            self._kept[request.stream] = kept
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
        return _Row(kept, heard, n_before, min(kept.n_settled, end), end)

    def _forget(self, kept: _Kept, n_frames: int) -> None:
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

    def _run(self, sizes: tuple[int, int, int], rows: Sequence[_Row]) -> list[None]:
        n_rows, n_samples = bucket(ROWS, len(rows)), sizes[0]
        words = self._blank(n_rows, n_samples)
        floats = words[:, _N_INTS:].view(np.float32)
        for at, row in enumerate(rows):
            words[at, :_N_INTS] = row.ints if row.end > 0 else (*row.ints[:2], 1, 0, 0, 0)
            floats[at, : len(row.samples)] = row.samples
        self._queue.run(self._pass, words.reshape(-1), n_rows, *sizes)
        return [None] * len(rows)

    def _blank(self, n_rows: int, n_samples: int) -> Words:
        """Rows of nobody."""
        words = np.zeros((n_rows, _N_INTS + n_samples), np.int32)
        words[:, :_N_INTS] = (self._pools.nobody, 0, 1, 0, 0, 0)
        return words

    def _pass(
        self, words: Tensor, n_rows: int, n_samples: int, n_new: int, n_frames: int
    ) -> Tensor:
        """Gives the slots of its rows: what it computes stays there."""
        words = words.view(n_rows, _N_INTS + n_samples)
        slots, n_bands, n_first, first, end, position = words[:, :_N_INTS].long().unbind(1)
        self._stem(words[:, _N_INTS:].view(torch.float32), slots, n_bands)
        if n_new:
            frames = first[:, None] + torch.arange(n_new, device=words.device)
            x = self._features(slots, n_first, first, n_new)
            turn = turns(position[:, None] + frames)
            # What lies behind the end is written to nobody.
            places = torch.where(frames < end[:, None], frames, MAX_FRAMES)
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
        pools.bands[slots[:, None], at.clamp(max=MAX_BANDS)] = bands.to(pools.bands.dtype)

    def _features(self, slots: Tensor, n_first: Tensor, first: Tensor, n_new: int) -> Tensor:
        """Norm, third convolution: `[B, F, 288]`."""
        pools, weights = self._pools, self._weights
        width = BANDS_PER_FRAME * (n_new - 1) + FRAME_REACH_BANDS
        at = BANDS_PER_FRAME * first[:, None] + torch.arange(width, device=slots.device)
        bands = pools.bands[slots[:, None], at.clamp(max=MAX_BANDS)].float()
        moments = (pools.sums[slots, n_first] - pools.sums[slots, 0]) / (n_first[:, None] * D_MODEL)
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
        mask = (torch.arange(n_frames, device=x.device) < end[:, None])[:, None, None]
        for layer, (attention, feed_forward) in enumerate(weights.layers):
            query, key, value = (layer_norm(x, attention.norm) @ attention.qkv).chunk(3, dim=-1)
            keys, values = pools.own[2 * layer], pools.own[2 * layer + 1]
            keys[slots, places] = rotated(key, turn)
            values[slots, places] = value
            mixed, _ = attend(
                rotated(query, turn),
                keys[slots[:, 0], :n_frames],
                values[slots[:, 0], :n_frames],
                mask,
            )
            x = feed_forward.run(x + mixed @ attention.out)
        states = layer_norm(x, weights.norm)
        pools.states[slots, places] = states
        for part, cross in enumerate((states @ weights.cross).chunk(len(pools.cross), dim=-1)):
            pools.cross[part][slots, places] = cross


def _most_rows(sizes: tuple[int, int, int]) -> int:
    values = max(1, sizes[1] * sizes[2])
    return max((rows for rows in ROWS if rows * values <= _MOST_VALUES), default=1)


def _n_bands(n_samples: int) -> int:
    return max(0, (n_samples - BAND_REACH_SAMPLES) // BAND_SAMPLES + 1)
