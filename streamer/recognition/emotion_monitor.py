"""Keeps an eye on the emotion of the open segment, beside the ASR encoder.

The classifier runs on a lane of its own while the encoder works on the same step; the answer is
collected at the step's end, so that results do not depend on which of the two was faster.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.emotion.classifier import EmotionScores
from streamer.models.emotion.track import UNKNOWN, EmotionTrack, TrackOptions
from streamer.runtime.tracing import SpanSink, span
from streamer.transcript.events import EmotionUpdate
from streamer.transcript.ledger import Emotion


class EmotionLane(Protocol):
    """Where the classifier runs."""

    def submit(self, call: Callable[[], EmotionScores], /) -> Future[EmotionScores]: ...


class Classifier(Protocol):
    def predict(self, samples: Floats) -> EmotionScores: ...


@dataclass(frozen=True)
class EmotionOptions:
    window_ms: float = 3_000
    """Newest audio that is classified, at most; never from before the segment."""
    first_ms: float = 800
    """Audio of the segment needed for a first answer."""
    hop_ms: float = 640
    """New audio between two answers."""
    shortest_ms: float = 800
    """A whole segment shorter than this gets no emotion."""


class EmotionMonitor:
    """One session's emotion. Used by the step's thread only."""

    def __init__(
        self,
        classifier: Classifier,
        lane: EmotionLane,
        options: EmotionOptions,
        spans: SpanSink,
        track: TrackOptions | None = None,
    ) -> None:
        self._classifier = classifier
        self._lane = lane
        self._options = options
        self._spans = spans
        self._track = EmotionTrack(track)
        self._classified_until = 0
        self._pending: tuple[int, int, Future[EmotionScores]] | None = None
        self._label = ""

    @property
    def label(self) -> str:
        """The live label; empty while none is known."""
        return self._label

    def start(self, read: Callable[[int, int], Floats], segment_start: int, now: int) -> None:
        """Begin to classify the newest window of the open segment, if it is time to."""
        due = max(
            segment_start + samples_from_ms(self._options.first_ms),
            self._classified_until + samples_from_ms(self._options.hop_ms),
        )
        if now >= due:
            self._submit(read, segment_start, now)

    def collect(self) -> EmotionUpdate | None:
        """Wait for what `start` began."""
        if self._pending is None:
            return None
        start, end, future = self._pending
        self._pending = None
        live = self._track.update(future.result(), end, start)
        self._label = live.label if live.label != UNKNOWN else ""
        return EmotionUpdate(Emotion(live.label, live.probs), start, end)

    def segment(
        self, read: Callable[[int, int], Floats], segment_start: int, segment_end: int
    ) -> Emotion | None:
        """The emotion of a finished segment; None if it was too short to tell."""
        self.collect()
        if segment_end - segment_start < samples_from_ms(self._options.shortest_ms):
            return None
        if self._classified_until < segment_end:
            self._submit(read, segment_start, segment_end)
            self.collect()
        live = self._track.segment(segment_start, segment_end)
        return Emotion(live.label, live.probs)

    def _submit(self, read: Callable[[int, int], Floats], segment_start: int, end: int) -> None:
        start = max(segment_start, end - samples_from_ms(self._options.window_ms))
        self._classified_until = end
        samples = read(start, end)
        self._pending = (start, end, self._lane.submit(partial(self._classify, samples)))

    def _classify(self, samples: Floats) -> EmotionScores:
        with span(self._spans, "emotion", "emotion"):
            return self._scores(samples)

    def _scores(self, samples: Floats) -> EmotionScores:
        return self._classifier.predict(samples)
