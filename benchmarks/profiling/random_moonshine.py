"""Moonshines of the published shapes with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer as TokenizerFile
from tokenizers import models as tokenizer_models

from streamer.models.moonshine.config import MOONSHINE_STREAMING
from streamer.models.moonshine.tokenizer import BOS, WORD_MARK


def _streaming(encoder: int, decoder: int, layers: int, heads: tuple[int, int]) -> Any:
    """The first two and the last two layers hear what follows."""
    ends = (0, 1, layers - 2, layers - 1)
    windows = [[16, 4] if layer in ends else [16, 0] for layer in range(layers)]
    return transformers.MoonshineStreamingConfig(
        encoder_config={
            "hidden_size": encoder,
            "intermediate_size": 4 * encoder,
            "num_hidden_layers": layers,
            "num_attention_heads": heads[0],
            "num_key_value_heads": heads[0],
            "sliding_windows": windows,
        },
        hidden_size=decoder,
        intermediate_size=4 * decoder,
        num_hidden_layers=layers,
        num_attention_heads=heads[1],
        num_key_value_heads=heads[1],
        decoder_start_token_id=BOS,
    )


def shapes() -> dict[str, Any]:
    """Configurations of the published models. Those of the streaming ones are as published as far
    as their sizes tell: 34, 123 and 245 million weights with the tokens' counted once; into how
    many heads the encoders' layers are cut is a guess, and costs nothing."""
    return {
        "tiny": transformers.MoonshineConfig(),
        "base": transformers.MoonshineConfig(
            hidden_size=416,
            intermediate_size=1_664,
            encoder_num_hidden_layers=8,
            decoder_num_hidden_layers=8,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 0.62,
            },
        ),
        "streaming tiny": _streaming(320, 320, 6, (8, 8)),
        "streaming small": _streaming(620, 512, 10, (10, 8)),
        "streaming medium": _streaming(768, 640, 14, (12, 10)),
    }


def library_class(config: Any) -> Any:
    streaming = config.model_type == MOONSHINE_STREAMING
    kind = "MoonshineStreaming" if streaming else "Moonshine"
    return getattr(transformers, f"{kind}ForConditionalGeneration")


def write_random(config: Any, folder: Path, seed: int) -> Any:
    """A model with random weights and a tokenizer without meaning; gives the library's."""
    torch.manual_seed(seed)
    model = library_class(config)(config).eval()
    model.save_pretrained(folder)
    pieces = {f"{WORD_MARK}{number}": number for number in range(config.vocab_size)}
    TokenizerFile(tokenizer_models.BPE(pieces, [])).save(str(folder / "tokenizer.json"))
    return model
