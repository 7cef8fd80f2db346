"""The cost of the LLM and the agreement of its scores."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import load_clips
from benchmarks.profiling.llm_cost import (
    Asked,
    Costs,
    agreement,
    questions_of,
    replay,
    replay_together,
)
from streamer.models.llm.gemma_graph import build_graphs
from streamer.models.llm.loading import open_llm
from tests.models.tiny_gemma import BOS, tiny_source, write_tiny_gemma

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


def asked(*context: int) -> Asked:
    return Asked((BOS, *context), (" w1 w2", " w1 w3", " w4"), (-1.0, -1.5, -3.0))


def test_sessions_together_get_what_each_gets_alone(tmp_path: Path) -> None:
    graphs = tmp_path / "graphs"
    graphs.mkdir()
    write_tiny_gemma(tmp_path)
    build_graphs(tiny_source(tmp_path), graphs)
    scorer = open_llm(graphs, threads=1)
    clips = [[asked(), asked(10, 11)], [asked(12)], [asked(13), asked(13, 14), asked(13, 14, 15)]]
    costs, shared = Costs(), Costs()
    alone = [replay(scorer, some, costs) for some in clips]
    together = replay_together(scorer, clips, 3, shared)
    same = agreement(clips, alone, together, weight=0.2)
    assert same["decisions"] == same["same_decisions"] == len(costs.cpu_ms) == 6
    assert len(shared.cpu_ms) == 6
    assert same["difference_nats"]["max"] < 1e-3


def test_a_decision_that_turns_is_counted() -> None:
    clips = [[asked(), asked()]]
    before = [[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    after = [[[0.0, 3.0, 0.0], [1.0, 1.0, 1.0]]]
    found = agreement(clips, before, after, weight=0.2)
    assert (found["decisions"], found["same_decisions"]) == (2, 1)
    assert found["difference_nats"]["max"] == 2.0  # less the mean of the question


@pytest.mark.slow
def test_questions_are_those_of_the_streaming_path(engine: Engine) -> None:
    assert engine.llm is not None
    clip = next(c for c in load_clips("bundled", Path()) if c.id.startswith("1995-1837"))
    found = questions_of(engine, engine.llm, clip)
    assert len(found) > 3
    assert all(len(question.texts) == len(question.logprobs) > 1 for question in found)
    assert all(b.context[: len(a.context)] == a.context for a, b in pairwise(found))
    assert len(found[-1].context) > len(found[0].context)
