from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

from models.llm import KEPT_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS, LlmContext, LlmScorer
from models.zoo import Zoo

WORDS = [f"w{i}" for i in range(60)]


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Gemma of two layers, whose window slides so soon that it matters."""
    folder = tmp_path_factory.mktemp("tiny-gemma")
    names = ["<pad>", "<eos>", "<bos>", "<unk>", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=512,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        initializer_range=0.5,
    )
    Gemma3ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def scorer(tiny_folder: Path) -> LlmScorer:
    return LlmScorer(tiny_folder)


@torch.inference_mode()
def full_pass(folder: Path, tokens: list[int], text: list[int]) -> float:
    """log P(text | tokens) by one plain pass over everything."""
    model = _plain_model(folder)
    logits = model(torch.tensor([[*tokens, *text]])).logits[0].float()
    logprobs = logits.log_softmax(-1)
    return sum(float(logprobs[len(tokens) + i - 1, token]) for i, token in enumerate(text))


@functools.cache
def _plain_model(folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()


def assert_scores_agree(
    folder: Path, scorer: LlmScorer, context: LlmContext, texts: list[str], within: float
) -> None:
    """Scores are comparable among themselves: their differences must be the full pass's."""
    scores = scorer.score(context, texts)
    expected = [full_pass(folder, context.tokens, scorer.tokens(text)) for text in texts]
    for i, j in itertools.combinations(range(len(texts)), 2):
        assert scores[i] - scores[j] == pytest.approx(expected[i] - expected[j], abs=within)


CASES = [
    [" w1 w2 w3", " w1 w2 w4"],
    [" w1", " w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12", " w2"],
    ["", " w5"],
    [" w1 w2", " w1", " w1 w2 w3"],
]


@pytest.mark.parametrize("texts", CASES)
@pytest.mark.parametrize("context", ["", " w9", " " + " ".join(WORDS[:30])])
def test_scores_are_those_of_a_plain_full_pass(
    tiny_folder: Path, scorer: LlmScorer, context: str, texts: list[str]
) -> None:
    assert_scores_agree(tiny_folder, scorer, scorer.context(context), texts, within=0.35)


def test_a_growing_cached_context_equals_one_made_anew(
    tiny_folder: Path, scorer: LlmScorer
) -> None:
    grown = scorer.context("")
    texts = [" w1 w2", " w3"]
    for i in range(25):
        scorer.extend(grown, f" w{i} w{i + 1}")
        scorer.score(grown, texts)  # leaves the cache as it was, but for the context itself
    fresh = LlmContext(list(grown.tokens), [], scorer.context("").cache)
    first, second = scorer.score(grown, texts)
    again, other = scorer.score(fresh, texts)
    assert first - second == pytest.approx(again - other, abs=0.35)
    assert_scores_agree(tiny_folder, scorer, grown, texts, within=0.35)
    assert scorer.score(grown, texts) == [first, second]


def test_one_text_and_equal_texts_have_nothing_to_tell_apart(scorer: LlmScorer) -> None:
    context = scorer.context("w1")
    equal = scorer.score(context, [" w2 w3", " w2 w3"])
    assert equal[0] == equal[1]
    assert scorer.score(context, ["", ""]) == [0.0, 0.0]


def test_a_long_context_is_trimmed_to_its_newest_part(tiny_folder: Path, scorer: LlmScorer) -> None:
    context = scorer.context("")
    n_said = 0
    while n_said <= MAX_CONTEXT_TOKENS:
        scorer.extend(context, f" w{n_said % 60}")
        n_said += 1
        if n_said == 200:
            scorer.score(context, [" w1", " w2"])  # the cache is in use when it is trimmed
        assert len(context.tokens) <= MAX_CONTEXT_TOKENS
    assert len(context.tokens) < MAX_CONTEXT_TOKENS
    newest = [scorer.tokens(f"w{i % 60}")[0] for i in range(n_said)]
    bos = 2
    assert context.tokens[0] == bos
    n_kept = len(context.tokens) - 1
    assert n_kept >= KEPT_CONTEXT_TOKENS
    assert context.tokens[1:] == newest[-n_kept:]
    assert_scores_agree(tiny_folder, scorer, context, [" w1", " w2 w3"], within=0.35)


def test_a_long_opening_keeps_its_newest_part(scorer: LlmScorer) -> None:
    context = scorer.context(" ".join(WORDS * 5))
    assert len(context.tokens) == KEPT_CONTEXT_TOKENS + 1
    assert context.tokens[-1] == scorer.tokens("w59")[0]


@pytest.fixture(scope="module")
def gemma_folder() -> Path:
    from models.gemma import CONVERSION_VERSION, convert
    from streamer.engine import LLM_FILE, LLM_MODEL

    zoo = Zoo()

    def build(folder: Path) -> None:
        source = folder / LLM_FILE
        zoo.join(LLM_MODEL, LLM_FILE, source)
        convert(source, folder)
        source.unlink()

    return zoo.derived(LLM_MODEL, build, CONVERSION_VERSION)


@pytest.mark.slow
def test_gemma_scores_as_in_a_plain_full_pass_and_prefers_sense(gemma_folder: Path) -> None:
    scorer = LlmScorer(gemma_folder)
    context = scorer.context("The captain looked out over the water.\n")
    scorer.extend(context, " There was a storm coming, and he turned to face the")
    texts = [" sea and smiled.", " see and smiled.", " sea", " C and smiled."]
    sea, see, _, letter = scorer.score(context, texts)
    assert sea > see
    assert sea > letter
    assert_scores_agree(gemma_folder, scorer, context, texts, within=0.6)
