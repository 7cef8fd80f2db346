"""Listens for music in one session, beside whatever makes its words.

Sound goes to the classifier in blocks of one size, counted from where it begins, on a lane of its
own; what it says is collected at the step's end. So results do not depend on how steps came, nor on
what was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.recognition.sounds.music import Music, SoundOptions
from streamer.runtime.tracing import SpanSink, span
from streamer.transcript.events import SoundHeard


class SoundLane(Protocol):
    """Where the classifier runs."""

    def submit(self, call: Callable[[], Floats], /) -> Future[Floats]: ...


class Stream(Protocol):
    """A classifier that hears unbroken sound."""

    def probabilities(self, samples: Floats) -> Floats: ...


class SoundMonitor:
    """Used by the step's thread only."""

    def __init__(
        self,
        begin: Callable[[], Stream],
        lane: SoundLane,
        options: SoundOptions,
        spans: SpanSink,
        start_sample: int = 0,
    ) -> None:
        """
        Args:
            begin: gives a classifier that has heard nothing yet.
            start_sample: where the session's sound begins.
        """
        self._begin, self._lane, self._options, self._spans = begin, lane, options, spans
        self._block = samples_from_ms(options.block_ms)
        self._told: list[SoundHeard] = []
        self._pending: Future[Floats] | None = None
        self._stream, self._music = begin(), Music(start_sample, options)
        self._position = start_sample
        self._waiting = np.zeros(0, np.float32)

    def start(self, samples: Floats, position: int) -> None:
        """Begin to listen to the samples, which begin at `position`. Where the last ones ended
        before, sound was lost between them."""
        if position != self._position:
            self._told.extend(self._music.stop())
            self._stream, self._music = self._begin(), Music(position, self._options)
            self._waiting = self._waiting[:0]
        self._position = position + len(samples)
        self._waiting = np.concatenate([self._waiting, samples])
        n_blocks = len(self._waiting) // self._block
        if n_blocks:
            blocks = np.split(self._waiting, np.arange(1, n_blocks + 1) * self._block)
            self._waiting = blocks.pop()
            self._pending = self._lane.submit(partial(self._listen, self._stream, blocks))

    def collect(self) -> Iterator[SoundHeard]:
        """Wait for what `start` began."""
        told, self._told = self._told, []
        yield from told
        pending, self._pending = self._pending, None
        if pending is not None:
            yield from self._music.judge(pending.result())

    def _listen(self, stream: Stream, blocks: Sequence[Floats]) -> Floats:
        with span(self._spans, "sounds", "asr"):
            return np.concatenate([stream.probabilities(block) for block in blocks])
