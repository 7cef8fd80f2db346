"""Writes small GGUF files of random Gemmas."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

HIDDEN, WIDE, HEADS, HEAD_DIM, LAYERS = 32, 64, 2, 16, 7
PIECES = ["<pad>", "<eos>", "<bos>", "<unk>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "  "]
CONTROL, UNKNOWN, NORMAL, USER_DEFINED = 3, 2, 1, 4


def shapes() -> dict[str, tuple[int, ...]]:
    made: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(PIECES), HIDDEN),
        "output_norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        block = {
            "attn_norm": (HIDDEN,),
            "attn_q": (HEADS * HEAD_DIM, HIDDEN),
            "attn_k": (HEAD_DIM, HIDDEN),
            "attn_v": (HEAD_DIM, HIDDEN),
            "attn_q_norm": (HEAD_DIM,),
            "attn_k_norm": (HEAD_DIM,),
            "attn_output": (HIDDEN, HEADS * HEAD_DIM),
            "post_attention_norm": (HIDDEN,),
            "ffn_norm": (HIDDEN,),
            "ffn_gate": (WIDE, HIDDEN),
            "ffn_up": (WIDE, HIDDEN),
            "ffn_down": (HIDDEN, WIDE),
            "post_ffw_norm": (HIDDEN,),
        }
        made |= {f"blk.{layer}.{part}.weight": shape for part, shape in block.items()}
    return made


def write_gguf(
    path: Path,
    tensors: dict[str, np.ndarray],
    *,
    arch: str = "gemma3",
    tokenizer: bool = True,
    key_heads: int = 1,
    sliding_window: int | None = 512,
    softcapping: float | None = None,
) -> None:
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(key_heads)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    if sliding_window is not None:
        writer.add_sliding_window(sliding_window)
    if softcapping is not None:
        writer.add_final_logit_softcapping(softcapping)
    if tokenizer:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(PIECES)
        writer.add_token_scores([float(-i) for i in range(len(PIECES))])
        writer.add_token_types([CONTROL, CONTROL, CONTROL, UNKNOWN, *[NORMAL] * 6, USER_DEFINED])
        writer.add_bos_token_id(2)
        writer.add_eos_token_id(1)
        writer.add_pad_token_id(0)
        writer.add_unk_token_id(3)
    for name, values in tensors.items():
        if values.ndim == 2 and values.shape[1] % 32 == 0:
            quantized = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes().items()}
