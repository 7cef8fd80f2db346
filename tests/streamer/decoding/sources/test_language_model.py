"""A tiny random LLM of the transformers library, for several sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from streamer.decoding.llm_lane import LlmLane
from streamer.decoding.sources.language_model import load_any_llm
from streamer.models.card.llm.model import TOGETHER, CardLlm
from streamer.models.errors import ModelMissingError, NoRoomError
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion
from streamer.models.llm.scorer import LlmScorer
from streamer.models.llm.transformers_model import TransformersModel, read_model
from streamer.models.onnx.lora import LoraMismatchError
from streamer.models.store.zoo import Zoo
from streamer.runtime.batcher import Batcher
from streamer.runtime.tracing import NullSpans
from tests.models.tiny_gemma import write_tiny_gemma

N_SESSIONS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llm")
    write_tiny_gemma(folder)
    return folder


def read_exact(folder: Path, *, threads: int, device: str = "cpu") -> Any:
    """In float32."""
    return read_model(folder, threads=threads, device=device).float()


def talk(scorer: LlmScorer, batcher: Batcher, n_sessions: int) -> list[list[float]]:
    """Each session commits other words and decides three times, beside the others."""
    lane = LlmLane(scorer, batcher)

    def one(session: int) -> list[float]:
        fusion = LlmFusion(lane.session(NullSpans()), FusionWeights(llm=1.0), "w1 " * session)
        found = []
        for turn in range(3):
            fusion.append(f"w{session + turn} w{turn}")
            texts = ("w5 w6", f"w{session} w7 w8", "w9")
            terms = fusion.terms([Candidate(text, 0.0) for text in texts[: 2 + session % 2]])
            found += [each.text for each in terms]
        return found

    with ThreadPoolExecutor(n_sessions) as pool:
        return list(pool.map(one, range(n_sessions)))


def test_sessions_of_a_batched_one_are_told_what_those_of_another_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("card.llm.loading", "llm.transformers_model"):
        monkeypatch.setattr(f"streamer.models.{module}.read_model", read_exact)
    batched = load_any_llm(str(folder), Zoo(), n_sessions=N_SESSIONS, batched=True)
    assert isinstance(batched.model, CardLlm)
    assert (batched.model.together, batched.model.waits) == (TOGETHER, True)
    assert [queue.name for queue in batched.model.queues] == ["llm"]
    plain = load_any_llm(str(folder), Zoo())
    assert isinstance(plain.model, TransformersModel)
    batcher = Batcher(2, "model", wait_ms=20)
    together, apart = (talk(scorer, batcher, N_SESSIONS) for scorer in (batched, plain))
    batcher.close()
    for one, other in zip(together, apart, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert len({round(score, 2) for scores in together for score in scores}) > N_SESSIONS


def test_who_finds_no_room_for_a_context_is_not_let_in(folder: Path) -> None:
    scorer = load_any_llm(str(folder), Zoo(), n_sessions=1, batched=True)
    assert isinstance(scorer.model, CardLlm)
    batcher = Batcher(2, "model")
    lane = LlmLane(scorer, batcher)
    inside = [LlmFusion(lane.session(NullSpans()), FusionWeights(), "w1 w2") for _ in range(2)]
    candidates = [Candidate("w5 w6", 0.0), Candidate("w7", 0.0)]
    before = [fusion.terms(candidates) for fusion in inside]
    with pytest.raises(NoRoomError, match="all 2 places on the card are taken"):
        lane.session(NullSpans())
    assert [fusion.terms(candidates) for fusion in inside] == before
    inside.pop()
    lane.session(NullSpans())
    batcher.close()


def test_what_cannot_be_opened_is_named_batched_or_not(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LoraMismatchError, match="are for gemma"):
        load_any_llm(str(folder), Zoo(), tmp_path / "lora", batched=True)
    with pytest.raises(ModelMissingError, match="not complete"):
        load_any_llm(str(tmp_path), Zoo(), batched=True)
