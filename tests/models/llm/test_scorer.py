from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from streamer.models.llm.contract import (
    KEPT_CONTEXT_TOKENS,
    MAX_CONTEXT_TOKENS,
    LlmContext,
    LlmRequest,
    SoftPrompt,
)
from streamer.models.llm.gemma_graph import build_graphs
from streamer.models.llm.loading import open_llm
from streamer.models.llm.scorer import LlmScorer
from streamer.models.llm.token_tree import TokenTree
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import Engine
from tests.models.tiny_gemma import BOS, CONTROL, WORDS, tiny_source, write_tiny_gemma

WITHIN = 0.35
"""Nats between eight-bit or bfloat16 scores of the wild tiny model and its plain full pass."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same tiny model, as transformers wants it and as graphs."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("transformers", "graphs")}
    write_tiny_gemma(made["transformers"])
    build_graphs(tiny_source(made["transformers"]), made["graphs"])
    return made


@pytest.fixture(scope="module", params=["transformers", "graphs"])
def scorer(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LlmScorer:
    return open_llm(folders[request.param], threads=1)


@pytest.fixture
def plain(folders: dict[str, Path]) -> Path:
    return folders["transformers"]


@torch.inference_mode()
def full_pass(folder: Path, tokens: list[int], text: list[int], without: list[int]) -> float:
    """log P(text | tokens) by one plain pass over everything, `without` some tokens."""
    model = _plain_model(folder)
    logits = model(torch.tensor([[*tokens, *text]])).logits[0].float()
    logits[:, without] = -torch.inf
    logprobs = logits.log_softmax(-1)
    return sum(float(logprobs[len(tokens) + i - 1, token]) for i, token in enumerate(text))


@functools.cache
def _plain_model(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def score(scorer: LlmScorer, context: LlmContext, texts: list[str]) -> list[float]:
    return scorer.score([LlmRequest(context, texts)])[0]


def assert_scores_agree(
    folder: Path, scorer: LlmScorer, context: LlmContext, texts: list[str], within: float
) -> None:
    """Scores are comparable among themselves: their differences must be the full pass's."""
    scores = score(scorer, context, texts)
    # The graphs' vocabulary is what a transcript can contain.
    without = list(range(len(CONTROL))) if isinstance(context.cache, TokenTree) else []
    expected = [full_pass(folder, context.tokens, scorer.tokens(text), without) for text in texts]
    for i, j in itertools.combinations(range(len(texts)), 2):
        assert scores[i] - scores[j] == pytest.approx(expected[i] - expected[j], abs=within)


CASES = [
    [" w1 w2 w3", " w1 w2 w4"],
    [" w1", " w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12", " w2"],
    ["", " w5"],
    [" w1 w2", " w1", " w1 w2 w3"],
    [" w1 w2 w3 w4", " w1 w5 w3 w4", " w1 w2 w6 w4", " w1 w2 w3 w4"],
]


@pytest.mark.parametrize("texts", CASES)
@pytest.mark.parametrize("context", ["", " w9", " " + " ".join(WORDS[:30])])
def test_scores_are_those_of_a_plain_full_pass(
    plain: Path, scorer: LlmScorer, context: str, texts: list[str]
) -> None:
    assert_scores_agree(plain, scorer, scorer.context(context), texts, WITHIN)


def test_what_was_said_before_does_not_change_a_score(plain: Path, scorer: LlmScorer) -> None:
    grown = scorer.context("")
    texts = [" w1 w2", " w3", " w1 w4 w5"]
    for i in range(25):
        scorer.extend(grown, f" w{i} w{i + 1}")
        score(scorer, grown, [f" w{i + 1} w{i + 2} w7", f" w{i + 1} w9", " w8"])
    fresh = LlmContext(list(grown.tokens), scorer.context("").cache)
    assert score(scorer, grown, texts) == pytest.approx(score(scorer, fresh, texts), abs=WITHIN)
    assert_scores_agree(plain, scorer, grown, texts, WITHIN)
    assert score(scorer, grown, texts) == pytest.approx(score(scorer, grown, texts), abs=1e-5)


def test_sessions_that_share_a_pass_do_not_touch_each_other(scorer: LlmScorer) -> None:
    openings = ["", " w1 w2 w3", " " + " ".join(WORDS), " w4"]
    texts = [CASES[1], [" w7"], CASES[0], CASES[4]]
    together = scorer.score(
        [
            LlmRequest(scorer.context(opening), some)
            for opening, some in zip(openings, texts, strict=True)
        ]
    )
    for opening, some, scores in zip(openings, texts, together, strict=True):
        alone = score(scorer, scorer.context(opening), some)
        assert scores == alone


@torch.inference_mode()
def test_soft_tokens_stand_before_the_last_word(folders: dict[str, Path], plain: Path) -> None:
    """Rows that are words' embeddings must do what the words would."""
    scorer = open_llm(folders["graphs"], threads=1)
    context = scorer.context("w1 w2")
    words = scorer.tokens("w3 w4 w5")
    embed = _plain_model(plain).get_input_embeddings()
    rows = embed(torch.tensor(words)).numpy()
    for texts in (CASES[1], CASES[0]):  # the soft prompt changes with every request
        *before, last = context.tokens
        spelled = LlmContext([*before, *words, last], scorer.context().cache)
        assert scorer.score([LlmRequest(context, texts, SoftPrompt(rows))])[0] == pytest.approx(
            score(scorer, spelled, texts), abs=WITHIN
        )
        unseen = [
            scorer.score([LlmRequest(context, texts, SoftPrompt(each, attention_bias=-50.0))])[0]
            for each in (rows, rows[::-1])
        ]
        assert unseen[0] == pytest.approx(unseen[1], abs=WITHIN)
        rows, words = rows[:-1], words[:-1]
    scorer.extend(context, " w3")
    fresh = LlmContext(list(context.tokens), scorer.context().cache)
    assert score(scorer, context, CASES[1]) == pytest.approx(
        score(scorer, fresh, CASES[1]), abs=WITHIN
    )


def test_one_text_and_equal_texts_have_nothing_to_tell_apart(scorer: LlmScorer) -> None:
    context = scorer.context("w1")
    assert score(scorer, context, [" w2 w3", " w2 w3"]) == [0.0, 0.0]
    assert score(scorer, context, ["", ""]) == [0.0, 0.0]
    assert score(scorer, context, [" w2"]) == [0.0]


def test_a_long_context_is_trimmed_to_its_newest_part(plain: Path, scorer: LlmScorer) -> None:
    context = scorer.context("")
    n_said = 0
    while n_said <= MAX_CONTEXT_TOKENS:
        scorer.extend(context, f" w{n_said % 60}")
        n_said += 1
        if n_said == 200:
            score(scorer, context, [" w1", " w2"])  # the cache is in use when it is trimmed
        assert len(context.tokens) <= MAX_CONTEXT_TOKENS
    assert len(context.tokens) < MAX_CONTEXT_TOKENS
    newest = [scorer.tokens(f"w{i % 60}")[0] for i in range(n_said)]
    assert context.tokens[0] == BOS
    n_kept = len(context.tokens) - 1
    assert n_kept >= KEPT_CONTEXT_TOKENS
    assert context.tokens[1:] == newest[-n_kept:]
    assert_scores_agree(plain, scorer, context, [" w1", " w2 w3"], WITHIN)


def test_a_long_opening_keeps_its_newest_part(scorer: LlmScorer) -> None:
    context = scorer.context(" ".join(WORDS * 5))
    assert len(context.tokens) == KEPT_CONTEXT_TOKENS + 1
    assert context.tokens[-1] == scorer.tokens("w59")[0]


def test_an_endless_hypothesis_is_scored_by_its_beginning(scorer: LlmScorer) -> None:
    endless = " w1" + " w2" * 1000
    first, second = score(scorer, scorer.context(" w3" * 120), [endless, endless + " w4"])
    assert first == second


@pytest.mark.slow
def test_gemma_scores_as_in_a_plain_full_pass_and_prefers_sense(
    engine: Engine, tmp_path: Path
) -> None:
    from streamer.models.llm.transformers_folder import convert
    from streamer.recognition.engine import LLM_FILE, LLM_MODEL

    Zoo().join(LLM_MODEL, LLM_FILE, tmp_path / LLM_FILE)
    convert(tmp_path / LLM_FILE, tmp_path)
    scorer = engine.llm
    assert scorer is not None
    context = scorer.context("The captain looked out over the water.\n")
    scorer.extend(context, " There was a storm coming, and he turned to face the")
    texts = [" sea and smiled.", " see and smiled.", " sea", " C and smiled.", " Zoë and smiled."]
    sea, see, _, letter, _ = score(scorer, context, texts)
    assert sea > see
    assert sea > letter
    # 0.6 where processors have instructions for products of 8 bits, 0.64 with AVX2 alone.
    assert_scores_agree(tmp_path, scorer, context, texts, within=0.8)
