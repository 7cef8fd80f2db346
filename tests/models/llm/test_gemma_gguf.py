from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.models.llm.gemma_gguf import _as_bfloat16, read_gemma
from streamer.models.llm.gemma_graph import build_graphs
from streamer.models.llm.gemma_source import UnsupportedGemmaError
from streamer.models.llm.gguf_file import GgufFormatError
from streamer.models.store.catalog import GEMMA
from streamer.models.store.checksum import sha256_of
from streamer.models.store.zoo import Zoo
from tests.models.llm.tiny_gguf import HEAD_DIM, HEADS, LAYERS, random_tensors, write_gguf

GRAPHS = {
    "body.onnx": "d763f0f221ab77646da5896ebfaf27c2fbd64b23d52f358ca8ede6859900a900",
    "embedding.npy": "b1e86a792659a12410d71fa6a9e2bd41f20c80946c9ba1aa9642f1b5cc38aab7",
    "gemma.json": "dd0b28f67535dfdb7c25691789db764a85b69aa5bd457e75d8bfed7f7335614d",
    "head.onnx": "b648be6dfb51bf60721d0e4e0153f380c28d4ec19c5876c4bfebb07e198b75a7",
    "shortlist.npy": "35132184d68f8a2712c3d48b520e193d85841595cbe1825bbf444c70b04db80b",
    "tokenizer.json": "3c01ed742c180439796d05b781d1cc02ce30801903444b53a73c57fe9d798a84",
}
"""What all figures of the benchmarks were measured with, but for the head, whose weights have 7
bits since."""


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    return random_tensors()


def test_weights_arrive_under_their_names_and_norms_lose_the_one_added(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors)
    weights = read_gemma(tmp_path / "tiny.gguf").weights
    assert len(weights) == len(tensors)

    def same(name: str, expected: np.ndarray) -> None:
        # 8 bits in the file, then bfloat16.
        np.testing.assert_allclose(weights[name], expected, atol=0.04)

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


def test_the_shape_is_that_of_the_file(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors)
    source = read_gemma(tmp_path / "tiny.gguf")
    assert (source.shape.n_heads, source.shape.head_dim) == (HEADS, HEAD_DIM)
    assert source.shape.attention_scale == 0.25
    assert source.shape.epsilon == pytest.approx(1e-6)
    assert source.shape.rotary_bases == (*[10_000] * 5, 1e6, 10_000)
    assert len(source.shape.rotary_bases) == LAYERS
    assert source.bos == 2


def test_texts_are_cut_into_the_largest_pieces(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors)
    tokenizer = read_gemma(tmp_path / "tiny.gguf").tokenizer
    assert tokenizer.encode("ab ab").tokens == ["<bos>", "ab", "\u2581ab"]
    assert tokenizer.encode("a  b", add_special_tokens=False).tokens == ["a", "\u2581\u2581", "b"]
    assert tokenizer.encode("<eos>", add_special_tokens=False).ids == [1]
    assert tokenizer.decode(tokenizer.encode("ab ab").ids) == "ab ab"


def test_numbers_are_rounded_as_torch_rounds_them() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal(100_000).astype(np.float32)
    halfway = np.array([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 0, 3.0e38], np.float32)
    values = np.concatenate([values, halfway])
    expected = torch.from_numpy(values.copy()).to(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(_as_bfloat16(values), expected)


def test_a_tensor_of_another_model_is_refused(
    tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    tensors["blk.0.ssm_in.weight"] = np.ones(4, np.float32)
    write_gguf(tmp_path / "tiny.gguf", tensors)
    with pytest.raises(GgufFormatError, match=r"unexpected tensor 'blk\.0\.ssm_in\.weight'"):
        read_gemma(tmp_path / "tiny.gguf")


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.x.attn_q.weight", "a.b.c.d.e"])
def test_a_tensor_without_a_place_is_refused(
    name: str, tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors | {name: np.ones(4, np.float32)})
    with pytest.raises(GgufFormatError, match="unexpected tensor"):
        read_gemma(tmp_path / "tiny.gguf")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"arch": "llama"}, r"lacks gemma3\."),
        ({"tokenizer": False}, r"lacks tokenizer\.ggml"),
        ({"sliding_window": None}, r"lacks gemma3\.attention\.sliding_window"),
    ],
)
def test_what_is_missing_is_named(
    settings: dict[str, Any], reason: str, tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors, **settings)
    with pytest.raises(GgufFormatError, match=reason):
        read_gemma(tmp_path / "tiny.gguf")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"key_heads": 2}, "single key-value head"),
        ({"sliding_window": 8}, "sliding window"),
        ({"softcapping": 30.0}, "soft-capped"),
    ],
)
def test_what_the_graphs_cannot_express_is_refused(
    settings: dict[str, Any], reason: str, tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors, **settings)
    with pytest.raises(UnsupportedGemmaError, match=reason):
        read_gemma(tmp_path / "tiny.gguf")


@pytest.mark.slow
def test_the_packaged_model_gives_the_graphs_that_were_measured(tmp_path: Path) -> None:
    file, folder = GEMMA.files[0].name, tmp_path / "graphs"
    folder.mkdir()
    Zoo().join(GEMMA.name, file, tmp_path / file)
    build_graphs(read_gemma(tmp_path / file), folder)
    assert {path.name: sha256_of([path]) for path in folder.iterdir()} == GRAPHS
