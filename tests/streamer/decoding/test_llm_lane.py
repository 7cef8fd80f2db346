from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from streamer.decoding.llm_lane import LlmLane
from streamer.models.errors import NoRoomError
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion
from streamer.models.llm.contract import LlmRequest
from streamer.runtime.batcher import Batcher
from streamer.runtime.tracing import NullSpans

MAX_SESSIONS = 8
HOUR_MS = 3_600_000


class WaitingScorer:
    """Prefers long words; waits to be let go and keeps who shared a pass."""

    def __init__(self, *, waits: bool = False) -> None:
        self.model = SimpleNamespace(together=MAX_SESSIONS, waits=waits, check_room=lambda: None)
        self.poor: str | None = None
        self.open = threading.Event()
        self.entered = threading.Event()
        self.passes: list[list[str]] = []

    def context(self, text: str = "") -> list[str]:
        return [text]

    def score_or_fail(self, requests: Sequence[LlmRequest]) -> list[list[float] | NoRoomError]:
        self.entered.set()
        assert self.open.wait(10)
        names: list[str] = [request.context[0] for request in requests]  # type: ignore[index]
        self.passes.append(names)
        return [
            NoRoomError("no room")
            if name == self.poor
            else [float(len(text)) for text in request.texts]
            for name, request in zip(names, requests, strict=True)
        ]


class Spans:
    def __init__(self) -> None:
        self.made: list[tuple[str, str, int, int]] = []

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        self.made.append((name, lane, start_ns, end_ns))


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher(2, "llm")
    yield batcher
    batcher.close()


def test_sessions_that_wait_share_a_pass_and_get_their_own_scores(batcher: Batcher) -> None:
    scorer = WaitingScorer()
    lane = LlmLane(scorer, batcher)  # type: ignore[arg-type]
    weights = FusionWeights(llm=1.0, word=0.0)
    found: dict[str, list[float]] = {}

    def ask(name: str) -> None:
        fusion = LlmFusion(lane.session(NullSpans()), weights, name)
        terms = fusion.terms([Candidate(name, -1.0), Candidate("x", -2.0)])
        found[name] = [each.total for each in terms]

    threads = [threading.Thread(target=ask, args=("a" * i,)) for i in range(1, MAX_SESSIONS + 4)]
    threads[0].start()
    assert scorer.entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(lane._lane.waiting) < len(threads) - 1:
        threading.Event().wait(0.001)
    scorer.open.set()
    for thread in threads:
        thread.join(10)
    assert [len(names) for names in scorer.passes] == [1, MAX_SESSIONS, 2]
    for name, scores in found.items():
        assert scores == [len(name) + 1 - 1.0, 2 - 2.0]


def test_a_session_sees_what_its_passes_cost(batcher: Batcher) -> None:
    scorer = WaitingScorer()
    scorer.open.set()
    spans = Spans()
    session = LlmLane(scorer, batcher).session(spans)  # type: ignore[arg-type]
    fusion = LlmFusion(session, FusionWeights(), "")
    for _ in range(3):
        fusion.terms([Candidate("a", 0.0), Candidate("b", 0.0)])
    assert [span[:2] for span in spans.made] == [("llm", "llm")] * 3
    assert all(start < end for _, _, start, end in spans.made)


def test_where_many_cost_hardly_more_the_first_waits_and_who_fails_fails_alone() -> None:
    batcher = Batcher(1, "llm", wait_ms=HOUR_MS)
    scorer = WaitingScorer(waits=True)
    scorer.open.set()
    scorer.poor = "aaa"
    lane = LlmLane(scorer, batcher)  # type: ignore[arg-type]

    def ask(name: str) -> list[float]:
        session = lane.session(NullSpans())
        return session.score([LlmRequest(session.context(name), ["a", "bc"])])[0]

    with ThreadPoolExecutor(MAX_SESSIONS) as pool:
        asked = {name: pool.submit(ask, name) for name in ("a" * i for i in range(MAX_SESSIONS))}
    batcher.close()
    assert [len(names) for names in scorer.passes] == [MAX_SESSIONS]
    with pytest.raises(NoRoomError, match="no room"):
        asked.pop("aaa").result()
    assert [each.result() for each in asked.values()] == [[1.0, 2.0]] * (MAX_SESSIONS - 1)
