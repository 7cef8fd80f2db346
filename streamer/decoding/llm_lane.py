"""The LLM for all sessions: hypotheses that wait at the same time go through it together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import LlmContext, LlmRequest, TextScorer
from streamer.models.llm.scorer import LlmScorer
from streamer.runtime.batcher import Batcher, Lane
from streamer.runtime.tracing import SpanSink


@dataclass(frozen=True, slots=True)
class _Scored:
    scores: list[float]
    start_ns: int
    end_ns: int


class LlmLane:
    """Serves the sessions' requests on a batcher's threads."""

    def __init__(self, scorer: LlmScorer, batcher: Batcher) -> None:
        self._scorer = scorer
        model = scorer.model
        self._lane: Lane[LlmRequest, _Scored] = batcher.lane(
            self._serve, max_batch=model.together, exclusive=True, waits=model.waits
        )

    def session(self, spans: SpanSink) -> LaneScorer:
        """What one session asks; its steps wait for their answers.

        Raises:
            NoRoomError: a graphics card has no memory for one more.
        """
        self._scorer.model.check_room()
        return LaneScorer(self._scorer, self._lane.run, spans)

    def _serve(self, requests: Sequence[LlmRequest]) -> list[_Scored | Exception]:
        began = time.perf_counter_ns()
        answers = self._scorer.score_or_fail(requests)
        ended = time.perf_counter_ns()
        return [
            answer if isinstance(answer, NoRoomError) else _Scored(answer, began, ended)
            for answer in answers
        ]


class LaneScorer:
    """One session's `streamer.models.llm.contract.TextScorer`."""

    def __init__(
        self, scorer: TextScorer, run: Callable[[LlmRequest], _Scored], spans: SpanSink
    ) -> None:
        self._scorer = scorer
        self._run = run
        self._spans = spans

    def context(self, text: str = "") -> LlmContext:
        return self._scorer.context(text)

    def extend(self, context: LlmContext, text: str) -> None:
        self._scorer.extend(context, text)

    def score(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        """One after the other: it is other sessions' that share a pass with them."""
        return [self._score(request) for request in requests]

    def _score(self, request: LlmRequest) -> list[float]:
        answer = self._run(request)
        self._spans.add("llm", "llm", answer.start_ns, answer.end_ns)
        return answer.scores
