"""Language models by name: tiny random ones of several kinds, and names that lead nowhere."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.loading import load_llm
from streamer.models.llm.scorer import LlmScorer
from streamer.models.store.zoo import Zoo
from tests.models.tiny_gemma import BOS, WORDS, write_tiny_gemma

WITHIN = 0.35
"""Nats between the scores in bfloat16 and a plain full pass of the wild tiny models."""
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": len(WORDS) + 4,
    "initializer_range": 0.3,
    "bos_token_id": BOS,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GPT2_SHAPE = {"n_embd": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.3}
KINDS: dict[str, dict[str, Any]] = {
    "GPT2": {**GPT2_SHAPE, "vocab_size": len(WORDS) + 4, "bos_token_id": BOS, "eos_token_id": 1},
    "Llama": SHAPE,
    "Mistral": {**SHAPE, "sliding_window": 512},
    "Qwen2": {**SHAPE, "bos_token_id": None},
    "Qwen3": {**SHAPE, "bos_token_id": None},
}
TEXTS = [" w1 w2", " w3", " w1 w4 w5", ""]


def write(folder: Path, kind: str) -> None:
    write_tiny_gemma(folder)  # for the tokenizer
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**KINDS[kind])
    class_name = "GPT2LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
    getattr(transformers, class_name)(config).save_pretrained(folder)


def load(name: str | Path, zoo: Path) -> LlmScorer:
    return load_llm(str(name), Zoo(zoo), threads=1)


@pytest.mark.parametrize("kind", sorted(KINDS))
@torch.inference_mode()
def test_any_kind_scores_as_in_a_plain_full_pass(kind: str, tmp_path: Path) -> None:
    write(tmp_path, kind)
    scorer = load(tmp_path, tmp_path)
    context = scorer.context("w9 w8")
    scorer.extend(context, " w7")
    assert context.tokens[0] == (1 if kind.startswith("Qwen") else BOS)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()

    def expected(text: str) -> float:
        tokens = [*context.tokens, *scorer.tokens(text)]
        logprobs = plain(torch.tensor([tokens])).logits[0].log_softmax(-1)
        first = len(context.tokens)
        return sum(float(logprobs[at - 1, tokens[at]]) for at in range(first, len(tokens)))

    (scores,) = scorer.score([LlmRequest(context, TEXTS)])
    for one, other in itertools.combinations(range(len(TEXTS)), 2):
        difference = expected(TEXTS[one]) - expected(TEXTS[other])
        assert scores[one] - scores[other] == pytest.approx(difference, abs=WITHIN)


def test_what_is_missing_or_no_language_model_is_named(tmp_path: Path) -> None:
    zoo = tmp_path / "cache"
    with pytest.raises(ModelMissingError, match=r"not complete \(it has no tokenizer\.json\)"):
        load(tmp_path, zoo)
    write_tiny_gemma(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelMissingError, match="not complete"):
        load(tmp_path, zoo)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    with pytest.raises(ModelCorruptError, match="not a causal language model"):
        load(tmp_path, zoo)
    transformers.MambaForCausalLM(
        transformers.MambaConfig(hidden_size=8, num_hidden_layers=1, vocab_size=8, state_size=2)
    ).save_pretrained(tmp_path)
    with pytest.raises(ModelCorruptError, match="has recurrent layers"):
        load(tmp_path, zoo)
    with pytest.raises(ModelMissingError, match=r"choose from .* a folder, or hub:"):
        load("nonesuch", zoo)
    with pytest.raises(ModelMissingError, match="another kind of model: voice activity"):
        load("silero-vad", zoo)
