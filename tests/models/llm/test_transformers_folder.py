from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from streamer.models.llm.gemma_gguf import read_gemma
from streamer.models.llm.transformers_folder import convert
from tests.models.llm.tiny_gguf import PIECES, random_tensors, write_gguf
from tests.models.tiny_gemma import tiny_source


def test_the_result_loads_whole_with_its_tokenizer(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", random_tensors(), sliding_window=600)
    target = tmp_path / "out"
    target.mkdir()
    convert(tmp_path / "tiny.gguf", target)
    model, report = AutoModelForCausalLM.from_pretrained(target, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.config.sliding_window == 600
    assert model(torch.tensor([[2, 5, 6]])).logits.shape == (1, 3, len(PIECES))


def test_the_library_sees_the_model_that_the_graphs_are_built_from(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", random_tensors())
    target = tmp_path / "out"
    target.mkdir()
    convert(tmp_path / "tiny.gguf", target)
    ours, theirs = read_gemma(tmp_path / "tiny.gguf"), tiny_source(target)
    assert ours.shape == theirs.shape
    assert ours.bos == theirs.bos
    assert ours.tokenizer.to_str() == theirs.tokenizer.to_str()
    assert all(
        value.dtype == torch.bfloat16 for value in load_file(target / "model.safetensors").values()
    )
    for name, values in ours.weights.items():
        np.testing.assert_array_equal(theirs.weights[name], values)
