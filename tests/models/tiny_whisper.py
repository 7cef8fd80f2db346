"""A tiny random Whisper in transformers' format, with the tokens that a second listener needs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
import transformers

from tests.models.tiny_speech import ENDS, WORDS, write_tokenizer

CONTROL: Final = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|de|>",
    "<|fr|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
SECONDS: Final = 10


def write_listener(
    folder: Path, *, multilingual: bool = True, seed: int = 5, end: float = 2.0
) -> None:
    """Its window is `SECONDS` long, so that the library hears what a listener hears."""
    ids = write_tokenizer(folder, list(CONTROL))
    transformers.WhisperFeatureExtractor(chunk_length=SECONDS).save_pretrained(folder)
    config = transformers.WhisperConfig(
        vocab_size=len(ids),
        num_mel_bins=80,
        d_model=32,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=48,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=48,
        max_source_positions=50 * SECONDS,
        init_std=0.3,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
    )
    torch.manual_seed(seed)
    model = transformers.WhisperForConditionalGeneration(config)
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        head[: len(ids) - len(WORDS)] *= 0.5
        # As if the head had a bias, for the end alone.
        bias = model.model.decoder.layer_norm.bias
        bias.copy_(torch.nn.functional.normalize(torch.randn(len(bias)), dim=0))
        head[ids["<|endoftext|>"]] += end * bias
    model.generation_config._from_model_config = False  # such lose what only some models know
    for name, value in {
        "eos_token_id": ids["<|endoftext|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "is_multilingual": multilingual,
        "alignment_heads": [[0, 1], [1, 0]],
        "suppress_tokens": [ids["("], ids[ENDS]],
        "begin_suppress_tokens": None,
        "lang_to_id": {f"<|{code}|>": ids[f"<|{code}|>"] for code in ("en", "de", "fr")},
        "task_to_id": {task: ids[f"<|{task}|>"] for task in ("translate", "transcribe")},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
    }.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
