"""A streaming transducer for many sessions: chunks of sound in, tokens out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.audio.arrays import Floats
from streamer.models.card.device import ROWS, Card, Queue, Words, bucket, in_parts_or_fail
from streamer.models.card.places import NoSlotError, Slot, Slots
from streamer.models.card.transducer.contract import (
    FRAME_SAMPLES,
    Heard,
    HearRequest,
    SpokenToken,
    TransducerStream,
)
from streamer.models.card.transducer.encoder import ChunkEncoder, Rows
from streamer.models.card.transducer.search import NOTHING, GreedySearch

_N_INTS: Final = 3

_Row = tuple[Slot, int, Floats]
"""Slot, frames heard before, the chunk's samples."""
_Found = npt.NDArray[np.int32]
"""`[2, K]`: tokens, and the bits of their log-probabilities."""


class StreamingTransducer:
    """`NemotronAsrStreamingForRNNT` with a fixed look-ahead, searched greedily. Calls must not
    overlap."""

    def __init__(
        self,
        model: Any,
        extractor: Any,
        look_ahead: int,
        card: Card,
        queue: Queue,
        n_slots: int,
    ) -> None:
        """
        Args:
            model: on the card, in its number format, in eval mode.
            extractor: the feature extractor that belongs to it.
            look_ahead: frames of 80 ms behind the newest, that a chunk brings along.
            n_slots: streams that memory is set aside for.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        self.slots = Slots(n_slots)
        self.queue = queue
        self._projector = model.encoder_projector
        self._encoder = ChunkEncoder(model.encoder, extractor, look_ahead, card, n_slots + 1)
        self._search = GreedySearch(model, card, n_slots + 1)
        self._n_frames = look_ahead + 1
        card.wait()

    @property
    def slot_bytes(self) -> int:
        """Of the memory of one stream."""
        return (self._encoder.nbytes + self._search.nbytes) // (self.slots.n_slots + 1)

    def hear(self, requests: Sequence[HearRequest]) -> list[Heard | Exception]:
        """Hear the chunks that each stream has by now: the first of all streams together, then the
        second of those that have two, and so on. For a stream that finds no place, or no memory
        for its chunk, the error stands in the answer's place.

        Raises:
            ValueError: a stream was heard to its end before.
        """
        hearings = [self._begin(request) for request in requests]
        for number in count():
            living = [h for h in hearings if h.error is None and number < len(h.chunks)]
            if not living:
                return [h.error or self._end(h) for h in hearings]
            rows = [h.row(number) for h in living]
            found = in_parts_or_fail(self._run, rows, ROWS[-1])
            for hearing, outcome in zip(living, found, strict=True):
                hearing.take(number, outcome)
        raise AssertionError

    def warm_up(self) -> None:
        """Capture the passes."""
        for n_rows in ROWS:
            self.queue.warm_up(self._pass, self._blank(n_rows).reshape(-1), n_rows)

    def _begin(self, request: HearRequest) -> _Hearing:
        stream = request.stream
        if stream.over:
            raise ValueError("the stream was heard to its end before")
        try:
            stream.slot = stream.slot or self.slots.take()
        except NoSlotError as error:
            return _Hearing(request, None, [], 0, self._n_frames, error.with_traceback(None))
        stream.sound = np.concatenate([stream.sound, request.samples])
        encoder = self._encoder
        first, step = encoder.first_sample(stream.n_heard), self._n_frames * FRAME_SAMPLES
        behind = stream.start + len(stream.sound) - first - encoder.chunk_samples
        n_chunks = n_whole = max(0, behind // step + 1)
        if request.n_silent is not None:
            # One more at least: what was heard last has waited for what follows.
            n_chunks = max(n_whole + 1, -(-(behind + request.n_silent) // step) + 1)
        chunks = [self._cut(stream, first + number * step) for number in range(n_chunks)]
        return _Hearing(request, stream.slot, chunks, n_whole, self._n_frames)

    def _end(self, hearing: _Hearing) -> Heard:
        heard, stream = hearing.heard(), hearing.stream
        needed = max(0, self._encoder.first_sample(stream.n_heard) - stream.start)
        stream.sound, stream.start = stream.sound[needed:].copy(), stream.start + needed
        return heard

    def _cut(self, stream: TransducerStream, first: int) -> Floats:
        """A chunk from this sample of the stream on; where there is no sound, silence."""
        chunk = np.zeros(self._encoder.chunk_samples, np.float32)
        at = first - stream.start
        sound = stream.sound[max(0, at) : max(0, at + len(chunk))]
        begin = max(0, -at)
        chunk[begin : begin + len(sound)] = sound
        return chunk

    def _run(self, rows: Sequence[_Row]) -> list[_Found]:
        n_rows = bucket(ROWS, len(rows))
        words = self._blank(n_rows)
        floats = words[:, _N_INTS:].view(np.float32)
        for at, (slot, n_heard, chunk) in enumerate(rows):
            words[at, :_N_INTS] = (slot.index, n_heard, n_heard // self._n_frames % 2)
            floats[at] = chunk
        return list(self.queue.read(self._pass, words.reshape(-1), n_rows)[: len(rows)])

    def _blank(self, n_rows: int) -> Words:
        """Rows of nobody."""
        words = np.zeros((n_rows, _N_INTS + self._encoder.chunk_samples), np.int32)
        words[:, 0] = self.slots.nobody
        return words

    def _pass(self, words: Tensor, n_rows: int) -> Tensor:
        words = words.view(n_rows, -1)
        rows = Rows(*words[:, :_N_INTS].long().unbind(1))
        frames = self._encoder.run(rows, words[:, _N_INTS:].view(torch.float32))
        tokens, logprobs = self._search.run(rows, self._projector(frames))
        return torch.stack((tokens.int(), logprobs.view(torch.int32)), dim=1)


class _Hearing:
    """A request on its way."""

    def __init__(
        self,
        request: HearRequest,
        slot: Slot | None,
        chunks: Sequence[Floats],
        n_whole: int,
        n_frames: int,
        error: Exception | None = None,
    ) -> None:
        """
        Args:
            n_whole: so many of the chunks have sound to their end.
            n_frames: of a chunk.
        """
        self._slot, self._n_silent, self.stream = slot, request.n_silent, request.stream
        self.chunks, self.error = chunks, error
        self._n_whole, self._n_frames = n_whole, n_frames
        self._found: list[SpokenToken] = []
        self._at_end: list[SpokenToken] = []

    def row(self, number: int) -> _Row:
        assert self._slot is not None
        n_heard = self.stream.n_heard + number * self._n_frames
        return self._slot, n_heard, self.chunks[number]

    def take(self, number: int, outcome: _Found | Exception) -> None:
        """What chunk `number` says."""
        if isinstance(outcome, Exception):
            self.error = outcome
            return
        tokens, bits = outcome
        first = self.stream.n_heard + number * self._n_frames
        said = self._found if number < self._n_whole else self._at_end
        for at, logprob in enumerate(bits.view(np.float32).tolist()):
            if tokens[at] != NOTHING:
                frame = first + at * self._n_frames // len(tokens)
                said.append(SpokenToken(int(tokens[at]), frame, logprob))

    def heard(self) -> Heard:
        """The answer; the stream has gone on by its whole chunks."""
        self.stream.n_heard += self._n_whole * self._n_frames
        self.stream.over = bool(self._n_silent)
        return Heard(tuple(self._found), tuple(self._at_end))
