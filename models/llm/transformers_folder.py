"""Writes the packaged Gemma 3 as the transformers library wants it: for training, and to check
the graphs against. Needs torch, transformers and safetensors (`pip install 'streamer[torch]'`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from transformers import Gemma3TextConfig

from streamer.models.llm.gemma_gguf import gemma_field, gemma_tokenizer, gemma_weights
from streamer.models.llm.gguf_file import GgufFile, read_gguf

CONVERSION_VERSION: Final = "2"


def convert(gguf_path: Path, folder: Path) -> None:
    """Write config, weights (bfloat16) and tokenizer of `gguf_path` into `folder`.

    Raises:
        GgufFormatError: not a Gemma 3 text model.
    """
    file = read_gguf(gguf_path)
    _config(file).save_pretrained(folder)
    weights = {
        name: torch.from_numpy(values).to(torch.bfloat16)
        for name, values in gemma_weights(file).items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    gemma_tokenizer(file).save(str(folder / "tokenizer.json"))


def _config(file: GgufFile) -> Gemma3TextConfig:
    def value(key: str) -> float:
        return float(gemma_field(file, f"gemma3.{key}"))

    def count(key: str) -> int:
        return int(gemma_field(file, f"gemma3.{key}"))

    return Gemma3TextConfig(
        vocab_size=len(gemma_field(file, "tokenizer.ggml.tokens")),
        hidden_size=count("embedding_length"),
        intermediate_size=count("feed_forward_length"),
        num_hidden_layers=count("block_count"),
        num_attention_heads=count("attention.head_count"),
        num_key_value_heads=count("attention.head_count_kv"),
        head_dim=count("attention.key_length"),
        query_pre_attn_scalar=count("attention.key_length"),
        max_position_embeddings=count("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        sliding_window=count("attention.sliding_window"),
        tie_word_embeddings=True,
        architectures=["Gemma3ForCausalLM"],
        dtype="bfloat16",
    )
