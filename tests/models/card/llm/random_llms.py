"""Tiny random language models of several kinds, and what the library itself says of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.models.card.device import Card
from streamer.models.card.llm.loading import QueuedLlm
from streamer.models.card.llm.model import TOGETHER, CardLlm
from streamer.models.llm.contract import LlmTokenRequest

N_TOKENS = 96
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": N_TOKENS,
    "initializer_range": 0.4,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
WINDOW = 6
GEMMA = {
    **SHAPE,
    "vocab_size": N_TOKENS + 33,
    "query_pre_attn_scalar": 8,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
GEMMA4 = {
    **SHAPE,
    "num_hidden_layers": 4,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "global_head_dim": 16,
    "num_global_key_value_heads": 1,
    "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 0,
}
"""Layers remember in two shapes."""
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": N_TOKENS, "n_positions": 512}
BLOOM = {"hidden_size": 32, "n_layer": 2, "n_head": 2, "vocab_size": N_TOKENS}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("LlamaForCausalLM", SHAPE),
    "Qwen2": ("Qwen2ForCausalLM", {**SHAPE, "vocab_size": 2 * N_TOKENS, "bos_token_id": None}),
    "Qwen3": ("Qwen3ForCausalLM", SHAPE),
    "Mistral": ("MistralForCausalLM", {**SHAPE, "sliding_window": WINDOW}),
    "Gemma3Text": ("Gemma3ForCausalLM", GEMMA),
    "Gemma4Text": ("Gemma4ForCausalLM", GEMMA4),
    "GPT2": ("GPT2LMHeadModel", {**GPT2, "initializer_range": 0.4}),
    "Bloom": ("BloomForCausalLM", {**BLOOM, "initializer_range": 0.4}),
}
SHARED = sorted(
    kind for kind in KINDS if kind != "Bloom" and hasattr(transformers, f"{kind}Config")
)


def make(kind: str, **settings: Any) -> Any:
    torch.manual_seed(3)
    name, shape = KINDS[kind]
    config = getattr(transformers, f"{kind}Config")(**shape | settings)
    return getattr(transformers, name)(config).eval()


def on_card(model: Any, n_sessions: int = TOGETHER) -> CardLlm:
    card = Card("cpu")
    return CardLlm(model, card, card.queue("llm"), n_sessions)


def tokens(n: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, N_TOKENS, (n,), generator=generator).tolist()


def rows(lengths: Sequence[int], shared: int, seed: int) -> list[list[int]]:
    """Of these lengths; their first tokens are the same."""
    begin = tokens(shared, seed)
    return [[*begin, *tokens(n - shared, seed + 7 * at + 1)] for at, n in enumerate(lengths)]


Asked = tuple[list[int], list[list[int]], int]


def ask(llm: CardLlm | QueuedLlm, asked: Sequence[Asked], caches: Sequence[Any] = ()) -> list[Any]:
    caches = caches or [llm.new_cache() for _ in asked]
    return llm.logprobs(
        [
            LlmTokenRequest(context, cache, texts, shared)
            for (context, texts, shared), cache in zip(asked, caches, strict=True)
        ]
    )


@torch.inference_mode()
def whole(model: Any, asked: Asked) -> list[float]:
    """By one plain pass of the library for each text."""
    context, texts, shared = asked
    found = []
    for text in texts:
        logprobs = model(torch.tensor([[*context, *text]])).logits[0].float().log_softmax(-1)
        places = range(len(context) + shared, len(context) + len(text))
        found.append(sum(float(logprobs[at - 1, [*context, *text][at]]) for at in places))
    return found


def assert_close(found: Sequence[Any], expected: Sequence[Sequence[float]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
