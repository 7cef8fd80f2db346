"""Fusion on the LLM's own lane."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor

from models.fusion import Candidate, Fusion
from streamer.latency import SpanSink


class LaneFusion:
    """Fusion on the LLM's own lane; the step waits for it."""

    def __init__(self, fusion: Fusion, lane: Executor, spans: SpanSink) -> None:
        self._fusion = fusion
        self._lane = lane
        self._spans = spans
        self.busy_ms = 0.0

    def scores(self, candidates: Sequence[Candidate]) -> list[float]:
        return self._lane.submit(self._score, candidates).result()

    def append(self, text: str) -> None:
        self._fusion.append(text)

    def hear(self, emotion: str) -> None:
        self._fusion.hear(emotion)

    def _score(self, candidates: Sequence[Candidate]) -> list[float]:
        began = time.perf_counter_ns()
        scores = self._fusion.scores(candidates)
        ended = time.perf_counter_ns()
        self._spans.add("llm", "llm", began, ended)
        self.busy_ms += (ended - began) / 1e6
        return scores
