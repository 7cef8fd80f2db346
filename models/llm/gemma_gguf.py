"""Convert the packaged Gemma 3 GGUF into what transformers loads fast: safetensors + tokenizer.

The GGUF is dequantized once into bfloat16 (the transformers loader keeps the weights packed,
which is slower on CPU and cannot be saved). Names map as in llama.cpp's `gemma3` architecture;
its norm weights are stored with 1 added.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gguf
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, Gemma3TextConfig

CONVERSION_VERSION: Final = "1"

_TOP: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
}
_BLOCK: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}


class GgufFormatError(ValueError):
    """The file is not the GGUF of a Gemma 3 text model."""


def _target_name(name: str) -> str:
    if name in _TOP:
        return _TOP[name]
    try:
        _, layer, part, _ = name.split(".")
        return f"model.layers.{int(layer)}.{_BLOCK[part]}.weight"
    except (ValueError, KeyError):
        raise GgufFormatError(f"unexpected tensor {name!r} in the GGUF file") from None


def _config(reader: gguf.GGUFReader) -> Gemma3TextConfig:
    def value(key: str) -> Any:
        field = reader.get_field(f"gemma3.{key}")
        if field is None:
            raise GgufFormatError(f"the GGUF file lacks gemma3.{key}")
        return field.contents()

    tokens = reader.get_field("tokenizer.ggml.tokens")
    if tokens is None:
        raise GgufFormatError("the GGUF file carries no tokenizer")
    return Gemma3TextConfig(
        vocab_size=len(tokens.data),
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"),
        head_dim=value("attention.key_length"),
        query_pre_attn_scalar=value("attention.key_length"),
        max_position_embeddings=value("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        sliding_window=value("attention.sliding_window"),
        tie_word_embeddings=True,
        architectures=["Gemma3ForCausalLM"],
        dtype="bfloat16",
    )


def convert(gguf_path: Path, folder: Path) -> None:
    """Write config, weights (bfloat16) and tokenizer of `gguf_path` into `folder`.

    Raises:
        GgufFormatError: not a Gemma 3 text model.
    """
    try:
        reader = gguf.GGUFReader(gguf_path)
    except ValueError as error:
        raise GgufFormatError(f"{gguf_path.name} is not a GGUF file: {error}") from error
    _config(reader).save_pretrained(folder)
    weights = {}
    for tensor in reader.tensors:
        values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        if tensor.name.endswith("norm.weight"):
            values -= 1.0
        weights[_target_name(tensor.name)] = values.to(torch.bfloat16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = AutoTokenizer.from_pretrained(
        gguf_path.parent, gguf_file=gguf_path.name, trust_remote_code=False
    )
    tokenizer.save_pretrained(folder)
