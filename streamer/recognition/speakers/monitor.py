"""Listens who speaks in one session, beside whatever makes its words.

Windows of the open segment go to the voice encoder on a lane of its own; the vectors are collected
at the step's end, so that results do not depend on which was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.silero import FRAME_SAMPLES
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.timeline import (
    CELL_SAMPLES,
    SPEECH,
    Timeline,
    Window,
    learn,
    timeline,
)
from streamer.recognition.speakers.voices import Voices
from streamer.recognition.words.contract import Sound
from streamer.runtime.tracing import SpanSink, span

_CELL_FRAMES = CELL_SAMPLES // FRAME_SAMPLES


class VoiceLane(Protocol):
    """Where the encoder runs."""

    def submit(self, call: Callable[[], Floats], /) -> Future[Floats]: ...


class Encoder(Protocol):
    def embed(self, windows: Sequence[Floats]) -> Floats: ...


class Timed(Protocol):
    """A word, as far as it matters here."""

    @property
    def start_sample(self) -> int: ...

    @property
    def end_sample(self) -> int: ...


@dataclass(frozen=True)
class Part:
    """Words of a segment that one person says in a row."""

    start: int
    end: int
    """Behind the last of them."""
    speaker: int | None


class SpeakerMonitor:
    """Used by the step's thread only. What it keeps does not grow: the windows of the open segment
    and one vector for each voice."""

    def __init__(
        self,
        encoder: Encoder,
        lane: VoiceLane,
        options: SpeakerOptions,
        spans: SpanSink,
        voices: Voices,
    ) -> None:
        """`voices`: those that are known; others are added as they are heard."""
        self._encoder = encoder
        self._lane = lane
        self._options = options
        self._spans = spans
        self._window = samples_from_ms(options.window_ms)
        self._hop = samples_from_ms(options.hop_ms)
        self._voices = voices
        self._windows: list[Window] = []
        self._next = 0
        """Start of the next window."""
        self._least = 1
        """Windows that are encoded at once, at least."""
        self._pending: list[tuple[list[tuple[int, int]], Future[Floats]]] = []
        self._timeline = Timeline(0, ())

    def begin(self, start_sample: int) -> None:
        """A segment opens."""
        self._windows, self._next, self._least = [], start_sample, 1
        self._pending = []
        self._timeline = Timeline(0, ())

    def start(self, sound: Sound, end: int) -> None:
        """Begin to encode the windows that end by then."""
        n_due = (end - self._window - self._next) // self._hop + 1
        if n_due >= self._least:
            starts = range(self._next, self._next + n_due * self._hop, self._hop)
            self._submit(sound, [(start, start + self._window) for start in starts])
            self._next, self._least = starts.stop, 2

    def collect(self, sound: Sound, segment_start: int, end: int) -> bool:
        """Wait for what `start` began; whether anything is known anew."""
        if not self._take():
            return False
        self._tell(sound, segment_start, end)
        return True

    def labels(self, words: Sequence[Timed]) -> tuple[int | None, ...]:
        """Who said them, as far as it is known by now."""
        found = (self._timeline.at(word.start_sample, word.end_sample) for word in words)
        return tuple(None if index is None else self._voices.label(index) for index in found)

    def close(
        self,
        sound: Sound,
        segment_start: int,
        words: Sequence[Timed],
        there: range,
        *,
        goes_on: bool = False,
    ) -> list[Part]:
        """The parts of a segment that ends, for good.

        Args:
            there: samples that can be read.
            goes_on: speech does, in the next segment.
        """
        end = min(words[-1].end_sample, there.stop)
        heard = max((window.end_sample for window in self._windows), default=segment_start)
        start = max(segment_start, end - self._window, there.start)
        if end - max(heard, start) >= samples_from_ms(self._options.shortest_ms):
            self._submit(sound, [(start, end)])
        self._take()
        self._tell(sound, segment_start, end)
        parts: list[Part] = []
        for at, speaker in enumerate(self.labels(words)):
            if parts and parts[-1].speaker == speaker:
                parts[-1] = replace(parts[-1], end=at + 1)
            else:
                parts.append(Part(at, at + 1, speaker))
        learn(self._voices, self._windows, self._timeline)
        self._windows = [w for w in self._windows if goes_on and w.end_sample > end]
        return parts

    def _submit(self, sound: Sound, windows: list[tuple[int, int]]) -> None:
        told = [
            (start, end)
            for start, end in windows
            if np.mean(np.array(_speech(sound, start, end) or [0.0]) >= SPEECH)
            >= self._options.speech_share
        ]
        if told:
            samples = [sound.read(start, end) for start, end in told]
            self._pending.append((told, self._lane.submit(partial(self._encode, samples))))

    def _encode(self, windows: Sequence[Floats]) -> Floats:
        with span(self._spans, "speakers", "asr"):
            return self._encoder.embed(windows)

    def _take(self) -> bool:
        pending, self._pending = self._pending, []
        for windows, future in pending:
            for (start, end), vector in zip(windows, future.result(), strict=True):
                self._windows.append(Window(start, end, vector))
        return bool(pending)

    def _tell(self, sound: Sound, start: int, end: int) -> None:
        start = max(start, end - samples_from_ms(self._options.longest_ms))
        self._windows = [window for window in self._windows if window.end_sample > start]
        first = start // CELL_SAMPLES
        frames = _speech(sound, first * CELL_SAMPLES, end)
        speech = [max(frames[at : at + _CELL_FRAMES]) for at in range(0, len(frames), _CELL_FRAMES)]
        self._timeline = timeline(self._windows, speech, first, self._voices, self._options)


def _speech(sound: Sound, start: int, end: int) -> Sequence[float]:
    """The detector's probabilities; without a detector nothing is speech."""
    return sound.probabilities(start, end) if sound.probabilities is not None else ()
