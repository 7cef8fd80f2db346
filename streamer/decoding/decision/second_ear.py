"""The second listener for all sessions: stretches that wait at the same time are heard together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from streamer.audio.arrays import Floats
from streamer.models.whisper.contract import Hearing, ListenRequest, SecondListener
from streamer.runtime.batcher import Batcher, Lane
from streamer.runtime.tracing import SpanSink, span

MAX_SESSIONS: Final = 4
"""Sessions that share a pass at most: a bigger one would keep those behind it waiting."""


@dataclass(frozen=True)
class EarOptions:
    n_best: int = 5
    """Hypotheses of the second listener's, at most."""
    beam_width: int = 5
    """Of its search."""


class SecondEar(Protocol):
    """One session's second listener."""

    def hear(self, samples: Floats, said: str) -> Hearing:
        """Hear a stretch whose beginning is known.

        Args:
            said: what is committed of it.
        """

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        """Log-probability (nats, the end included) of each text behind what was said."""


@dataclass(frozen=True)
class _Question:
    hearing: Hearing
    texts: Sequence[str]


class EarLane:
    """Serves the sessions' requests on a batcher's threads."""

    def __init__(
        self, listener: SecondListener, batcher: Batcher, options: EarOptions | None = None
    ) -> None:
        self._options = options or EarOptions()
        self._hearings: Lane[ListenRequest, Hearing] = batcher.lane(
            listener.hear, max_batch=MAX_SESSIONS, exclusive=True
        )
        self._scores: Lane[_Question, list[float]] = batcher.lane(
            lambda questions: [listener.score(q.hearing, q.texts) for q in questions],
            exclusive=True,
        )

    def session(self, language: str, spans: SpanSink) -> LaneEar:
        """What one session asks; its steps wait for their answers."""
        return LaneEar(self, self._options, language, spans)

    def hear(self, request: ListenRequest) -> Hearing:
        return self._hearings.run(request)

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        return self._scores.run(_Question(hearing, texts))


class LaneEar:
    """See `SecondEar`."""

    def __init__(self, lane: EarLane, options: EarOptions, language: str, spans: SpanSink) -> None:
        self._lane = lane
        self._options = options
        self._language = language
        self._spans = spans

    def hear(self, samples: Floats, said: str) -> Hearing:
        """See `SecondEar`."""
        options = self._options
        with span(self._spans, "listen", "ear"):
            return self._lane.hear(
                ListenRequest(samples, self._language, said, options.n_best, options.beam_width)
            )

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        """See `SecondEar`."""
        with span(self._spans, "judge", "ear"):
            return self._lane.score(hearing, texts)
