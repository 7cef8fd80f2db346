from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from streamer.models.llm.gemma_gguf import GgufFormatError, convert

HIDDEN, WIDE, HEADS, HEAD_DIM, LAYERS = 32, 64, 2, 16, 2
PIECES = ["<pad>", "<eos>", "<bos>", "<unk>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab"]


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
    without: Callable[[gguf.GGUFWriter], None] | None = None,
) -> None:
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-6)
    if without is None:
        writer.add_sliding_window(16)
    if tokenizer:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(PIECES)
        writer.add_token_scores([float(-i) for i in range(len(PIECES))])
        writer.add_token_types([3, 3, 3, 2, 1, 1, 1, 1, 1, 1])
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


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes().items()}


def test_weights_arrive_under_their_names_and_norms_lose_the_one_added(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors)
    target = tmp_path / "out"
    target.mkdir()
    convert(tmp_path / "tiny.gguf", target)
    weights = load_file(target / "model.safetensors")
    assert len(weights) == len(tensors)
    assert all(value.dtype == torch.bfloat16 for value in weights.values())

    def same(name: str, expected: np.ndarray) -> None:
        # 8 bits in the file, then bfloat16.
        np.testing.assert_allclose(weights[name].float().numpy(), expected, atol=0.04)

    same("model.embed_tokens.weight", tensors["token_embd.weight"])
    same("model.norm.weight", tensors["output_norm.weight"] - 1)
    same("model.layers.1.mlp.down_proj.weight", tensors["blk.1.ffn_down.weight"])
    same("model.layers.0.self_attn.o_proj.weight", tensors["blk.0.attn_output.weight"])
    same("model.layers.1.self_attn.k_norm.weight", tensors["blk.1.attn_k_norm.weight"] - 1)
    same("model.layers.0.pre_feedforward_layernorm.weight", tensors["blk.0.ffn_norm.weight"] - 1)
    same(
        "model.layers.0.post_feedforward_layernorm.weight",
        tensors["blk.0.post_ffw_norm.weight"] - 1,
    )


def test_the_result_loads_whole_with_its_tokenizer(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors)
    target = tmp_path / "out"
    target.mkdir()
    convert(tmp_path / "tiny.gguf", target)
    model, report = AutoModelForCausalLM.from_pretrained(target, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.config.sliding_window == 16
    assert model(torch.tensor([[2, 5, 6]])).logits.shape == (1, 3, len(PIECES))
    assert (target / "tokenizer.json").is_file()


def test_a_tensor_of_another_model_is_refused(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    tensors["blk.0.ssm_in.weight"] = np.ones(4, np.float32)
    write_gguf(tmp_path / "tiny.gguf", tensors)
    with pytest.raises(GgufFormatError, match=r"unexpected tensor 'blk\.0\.ssm_in\.weight'"):
        convert(tmp_path / "tiny.gguf", tmp_path)


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.x.attn_q.weight", "a.b.c.d.e"])
def test_a_tensor_without_a_place_is_refused(
    name: str, tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors | {name: np.ones(4, np.float32)})
    with pytest.raises(GgufFormatError, match="unexpected tensor"):
        convert(tmp_path / "tiny.gguf", tmp_path)


def test_another_architecture_is_refused(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors, arch="llama")
    with pytest.raises(GgufFormatError, match=r"lacks gemma3\."):
        convert(tmp_path / "tiny.gguf", tmp_path)


def test_a_file_without_tokenizer_is_refused(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors, tokenizer=False)
    with pytest.raises(GgufFormatError, match="carries no tokenizer"):
        convert(tmp_path / "tiny.gguf", tmp_path)


def test_a_missing_setting_is_named(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors, without=gguf.GGUFWriter.add_sliding_window)
    with pytest.raises(GgufFormatError, match=r"lacks gemma3\.attention\.sliding_window"):
        convert(tmp_path / "tiny.gguf", tmp_path)
