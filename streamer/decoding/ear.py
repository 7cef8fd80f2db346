"""The second listener as the only ear of a session."""

from __future__ import annotations

from typing import Protocol

from streamer.audio.arrays import Floats
from streamer.decoding.decision.second_listener import ListenerLane
from streamer.models.whisper.contract import Hearing, ListenRequest, Task, TimedWord
from streamer.runtime.tracing import SpanSink, span


class Ear(Protocol):
    """What a session that hears with the second listener alone asks of it."""

    def hear(self, samples: Floats, language: str, said: str, beam_width: int) -> Hearing:
        """Hear a stretch.

        Args:
            said: what is known to be said at its beginning.
        """

    def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
        """When the words of `text`, behind what was known, are said."""

    def language(self, samples: Floats) -> list[tuple[str, float]]:
        """Languages, by code, and their probabilities, likeliest first."""


class SessionEar:
    """See `Ear`; on the threads of all sessions."""

    def __init__(self, lane: ListenerLane, task: Task, spans: SpanSink) -> None:
        self._lane = lane
        self._task = task
        self._spans = spans

    def hear(self, samples: Floats, language: str, said: str, beam_width: int) -> Hearing:
        """See `Ear`."""
        request = ListenRequest(samples, language, said, beam_width=beam_width, task=self._task)
        with span(self._spans, "listen", "listener"):
            return self._lane.hear(request)

    def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
        """See `Ear`."""
        with span(self._spans, "time", "listener"):
            return self._lane.times(hearing, text)

    def language(self, samples: Floats) -> list[tuple[str, float]]:
        """See `Ear`."""
        with span(self._spans, "name", "listener"):
            return self._lane.language(samples)
