"""The LLM for all sessions: hypotheses that wait at the same time go through it together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from streamer.models.fusion.score import Fusion, FusionWeights, LlmFusion
from streamer.models.fusion.soft_tokens import SoftTokenLayer
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.scorer import LlmScorer
from streamer.runtime.batcher import Batcher, Lane
from streamer.runtime.tracing import SpanSink

MAX_SESSIONS: Final = 8
"""Sessions that share a pass at most: a bigger one would keep those behind it waiting."""


class TimedFusion(Fusion, Protocol):
    """A fusion that says what it costs."""

    busy_ms: float
    """What scoring has taken since the reader set this back."""


@dataclass(frozen=True, slots=True)
class _Scored:
    scores: list[float]
    start_ns: int
    end_ns: int


class LlmLane:
    """Serves the sessions' questions on a batcher's threads."""

    def __init__(
        self, scorer: LlmScorer, batcher: Batcher, layer: SoftTokenLayer | None = None
    ) -> None:
        self._scorer = scorer
        self._layer = layer
        self._lane: Lane[LlmRequest, _Scored] = batcher.lane(
            self._serve, max_batch=MAX_SESSIONS, exclusive=True
        )

    def fusion(self, weights: FusionWeights, opening: str, spans: SpanSink) -> TimedFusion:
        """The fusion of one session; its steps wait for their answers."""
        layer = self._layer if weights.heard else None
        return _LaneFusion(self._scorer, self._lane, weights, opening, layer, spans)

    def _serve(self, requests: Sequence[LlmRequest]) -> list[_Scored]:
        began = time.perf_counter_ns()
        answers = self._scorer.score(requests)
        ended = time.perf_counter_ns()
        return [_Scored(scores, began, ended) for scores in answers]


class _LaneFusion(LlmFusion):
    def __init__(
        self,
        scorer: LlmScorer,
        lane: Lane[LlmRequest, _Scored],
        weights: FusionWeights,
        opening: str,
        layer: SoftTokenLayer | None,
        spans: SpanSink,
    ) -> None:
        super().__init__(scorer, weights, opening, layer)
        self._lane = lane
        self._spans = spans
        self.busy_ms = 0.0

    def _score(self, request: LlmRequest) -> list[float]:
        answer = self._lane.run(request)
        self._spans.add("llm", "llm", answer.start_ns, answer.end_ns)
        self.busy_ms += (answer.end_ns - answer.start_ns) / 1e6
        return answer.scores
