"""What encoders for many streams at once have in common; what they keep lies in the streams' slots.

A stream's request becomes a row; rows of one size go through the model together.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

import numpy as np
from torch import Tensor

from streamer.audio.arrays import Floats
from streamer.models.card.device import ROWS, Queue, Words, bucket, in_parts_or_fail
from streamer.models.card.places import NoSlotError, Slot
from streamer.models.card.slots import Pools
from streamer.models.errors import NoRoomError
from streamer.models.moonshine.contract import AudioStream, EncodeRequest

_MOST_VALUES: Final = 1 << 24
"""New frames times those that they attend to, of a pass, at most: what its attention takes memory
for."""

Sizes = tuple[int, int, int]
"""Buckets of a row: samples, new frames, and frames of the window."""


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
class Kept:
    """A stream's slot, and what waits for more sound."""

    slot: Slot
    waiting: Floats


K = TypeVar("K", bound=Kept)


@dataclass(frozen=True)
class Row:
    """What a stream takes of a pass; its audio then has `n_frames`. Nothing is to be computed
    without `sizes`."""

    samples: Floats
    ints: tuple[int, ...]
    n_frames: int
    sizes: Sizes | None


class SlotEncoder(ABC, Generic[K]):
    """Encodes the newest sound of many streams together."""

    def __init__(self, pools: Pools, queue: Queue, nobody: Sequence[int]) -> None:
        """
        Args:
            nobody: a row's numbers, of none of the streams.
        """
        self._queue, self._nobody = queue, tuple(nobody)
        self._slots = pools
        self._kept: weakref.WeakKeyDictionary[AudioStream, K] = weakref.WeakKeyDictionary()

    @property
    def frame_samples(self) -> int:
        """Samples that a state stands for."""
        return self._slots.config.frame_samples

    def encode(self, requests: Sequence[EncodeRequest]) -> Sequence[SlotAudio | Exception | None]:
        """Forget, listen and encode, as an `AudioEncoder` does for one. Does not wait for the card.
        For a new stream without a place, or sound that finds no memory, the error stands in the
        answer's place; such a stream must not be used again.

        Raises:
            ValueError: a window is longer than 33 s.
        """
        answers: list[SlotAudio | Exception | None] = []
        passes: dict[Sizes, list[Row]] = defaultdict(list)
        places: dict[Sizes, list[int]] = defaultdict(list)
        with self._queue.turn():
            for at, request in enumerate(requests):
                try:
                    kept = self._of(request.stream)
                except NoSlotError as error:
                    answers.append(error.with_traceback(None))
                    continue
                (row,) = in_parts_or_fail(partial(self._taken, kept), [request], 1)
                if isinstance(row, NoRoomError):
                    answers.append(row)
                    continue
                if row.sizes is not None:
                    passes[row.sizes].append(row)
                    places[row.sizes].append(at)
                audio = SlotAudio(kept.slot, row.n_frames, self._slots, self._queue)
                answers.append(audio if row.n_frames > 0 else None)
            for sizes, rows in passes.items():
                done = in_parts_or_fail(partial(self._run, sizes), rows, self._most_rows(sizes))
                for at, failure in zip(places[sizes], done, strict=True):
                    if failure is not None:
                        answers[at] = failure
        return answers

    def warm_up(self) -> None:
        """Capture the usual passes."""
        for n_rows in ROWS:
            for sizes in self._usual():
                if n_rows > self._most_rows(sizes):
                    continue
                words = self._blank(n_rows, sizes[0]).reshape(-1)
                self._queue.warm_up(self._pass, words, n_rows, *sizes)

    @abstractmethod
    def _begin(self, slot: Slot) -> K:
        """Of a stream of which nothing has been heard."""

    @abstractmethod
    def _take(self, kept: K, request: EncodeRequest) -> Row:
        """Of a request; `kept` then is as if it had been computed."""

    @abstractmethod
    def _usual(self) -> Iterator[Sizes]:
        """Sizes of the steps of a window that grows to ten seconds."""

    @abstractmethod
    def _pass(self, words: Tensor, n_rows: int, *sizes: int) -> Tensor:
        """Rows of the numbers and samples `[B, …]`: what is computed stays in the slots, which are
        given. May be run again if memory was short."""

    def _most_rows(self, sizes: Sizes) -> int:
        values = max(1, sizes[1] * self._n_attended(sizes))
        return max((rows for rows in ROWS if rows * values <= _MOST_VALUES), default=1)

    def _n_attended(self, sizes: Sizes) -> int:
        """Frames that each new one is compared with."""
        return sizes[2]

    def _of(self, stream: AudioStream) -> K:
        kept = self._kept.get(stream)
        if kept is None:
            kept = self._kept[stream] = self._begin(self._slots.take())
        return kept

    def _taken(self, kept: K, requests: Sequence[EncodeRequest]) -> list[Row]:
        return [self._take(kept, request) for request in requests]

    def _run(self, sizes: Sizes, rows: Sequence[Row]) -> list[None]:
        n_rows, n_ints = bucket(ROWS, len(rows)), len(self._nobody)
        words = self._blank(n_rows, sizes[0])
        floats = words[:, n_ints:].view(np.float32)
        for at, row in enumerate(rows):
            words[at, :n_ints] = row.ints
            floats[at, : len(row.samples)] = row.samples
        self._queue.run(self._pass, words.reshape(-1), n_rows, *sizes)
        return [None] * len(rows)

    def _blank(self, n_rows: int, n_samples: int) -> Words:
        words = np.zeros((n_rows, len(self._nobody) + n_samples), np.int32)
        words[:, : len(self._nobody)] = self._nobody
        return words
