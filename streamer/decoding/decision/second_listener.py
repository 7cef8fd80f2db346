"""The second listener for all sessions: stretches that wait at the same time are heard together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from streamer.audio.arrays import Floats
from streamer.models.whisper.contract import (
    Hearing,
    ListenRequest,
    ScoreQuestion,
    SecondListener,
    TimedWord,
    TimesQuestion,
)
from streamer.runtime.batcher import Batcher, Lane
from streamer.runtime.tracing import SpanSink, span

Answer = TypeVar("Answer")


_WAITING: Final = 8
"""Sessions that wait for it beside their steps, at least."""


@dataclass(frozen=True)
class ListeningOptions:
    n_best: int = 5
    """Hypotheses of the second listener's, at most."""
    beam_width: int = 5
    """Of its search."""


class SessionListener(Protocol):
    """One session's second listener."""

    def hear(self, samples: Floats, said: str) -> Hearing:
        """Hear a stretch whose beginning is known.

        Args:
            said: what is committed of it.
        """

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        """Log-probability (nats, the end included) of each text behind what was said."""

    def beside(self, job: Callable[[], Answer]) -> Future[Answer]:
        """Run what asks it beside the session's steps: they need not wait."""


class ListenerLane:
    """Serves the sessions' requests on a batcher's threads."""

    def __init__(
        self, listener: SecondListener, batcher: Batcher, options: ListeningOptions | None = None
    ) -> None:
        self._options = options or ListeningOptions()
        # They wait for the models' threads and compute nothing themselves.
        self._waiting = ThreadPoolExecutor(max(_WAITING, 2 * listener.together), "listen")
        self._hearings: Lane[ListenRequest, Hearing] = batcher.lane(
            listener.hear, max_batch=listener.together, exclusive=True
        )
        most = listener.asked_together
        self._scores: Lane[ScoreQuestion, list[float]] = batcher.lane(
            listener.score, max_batch=most, exclusive=True
        )
        self._times: Lane[TimesQuestion, list[TimedWord]] = batcher.lane(
            listener.times, max_batch=most, exclusive=True
        )
        self._languages: Lane[Floats, list[tuple[str, float]]] = batcher.lane(
            listener.language, max_batch=most, exclusive=True
        )

    def session(self, language: str, spans: SpanSink) -> LaneListener:
        """What one session asks; its steps wait for their answers."""
        return LaneListener(self, self._options, language, spans)

    def beside(self, job: Callable[[], Answer]) -> Future[Answer]:
        return self._waiting.submit(job)

    def close(self) -> None:
        """Before the batcher: what is under way is finished, what waits is not begun."""
        self._waiting.shutdown(cancel_futures=True)

    def hear(self, request: ListenRequest) -> Hearing:
        return self._hearings.run(request)

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        return self._scores.run(ScoreQuestion(hearing, texts))

    def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
        return self._times.run(TimesQuestion(hearing, text))

    def language(self, samples: Floats) -> list[tuple[str, float]]:
        return self._languages.run(samples)


class LaneListener:
    """See `SessionListener`."""

    def __init__(
        self, lane: ListenerLane, options: ListeningOptions, language: str, spans: SpanSink
    ) -> None:
        self._lane = lane
        self._options = options
        self._language = language
        self._spans = spans

    def hear(self, samples: Floats, said: str) -> Hearing:
        """See `SessionListener`."""
        options = self._options
        with span(self._spans, "listen", "listener"):
            return self._lane.hear(
                ListenRequest(samples, self._language, said, options.n_best, options.beam_width)
            )

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        """See `SessionListener`."""
        with span(self._spans, "judge", "listener"):
            return self._lane.score(hearing, texts)

    def beside(self, job: Callable[[], Answer]) -> Future[Answer]:
        """See `SessionListener`."""
        return self._lane.beside(job)
