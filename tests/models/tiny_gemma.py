"""A random Gemma 3 of two layers, in transformers' format, with a word-level tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from streamer.models.llm.gemma_source import GemmaShape, GemmaSource

WORDS = [f"w{i}" for i in range(60)]
CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>"]
BOS = 2


def write_tiny_gemma(
    folder: Path,
    words: Sequence[str] = WORDS,
    spaces: pre_tokenizers.PreTokenizer | None = None,
    **settings: Any,
) -> None:
    """`words` are its vocabulary, divided by `spaces`; `settings` change its configuration."""
    names = [*CONTROL, *words]
    tokenizer = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = spaces or pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(names),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 512,
        "layer_types": ["sliding_attention", "full_attention"],
        "max_position_embeddings": 1024,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": BOS,
        "initializer_range": 0.5,
    }
    Gemma3ForCausalLM(Gemma3TextConfig(**shape | settings)).save_pretrained(folder)


def tiny_source(folder: Path) -> GemmaSource:
    """What `write_tiny_gemma` wrote, as the graphs are built from."""
    config = Gemma3TextConfig.from_pretrained(folder)
    rotary = config.rope_parameters
    shape = GemmaShape(
        config.num_attention_heads,
        config.head_dim,
        config.rms_norm_eps,
        config.query_pre_attn_scalar**-0.5,
        tuple(rotary[kind]["rope_theta"] for kind in config.layer_types),
    )
    weights = load_file(folder / "model.safetensors")
    return GemmaSource(
        shape,
        BOS,
        {name: values.float().numpy() for name, values in weights.items()},
        Tokenizer.from_file(str(folder / "tokenizer.json")),
    )
