from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from streamer.models.onnx.lora import LoraMismatchError, merge_lora, updated
from streamer.models.train.fusion.llm import LoraConfig, TunedGemma, tree_of
from streamer.models.train.fusion.modalities import SoftTokens
from tests.models.tiny_gemma import BOS, tiny_source, write_tiny_gemma

CONTEXT = [BOS, 10, 11, 12]
ROWS = [[20, 21, 22], [20, 21], [20, 23, 24, 25], [20, 23]]
FIRST_WORD = 4
"""The control tokens before it are not on the shortlist."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny_gemma(tmp_path)
    return tmp_path


def tuned(folder: Path, rank: int = 2) -> TunedGemma:
    parts = ("q_proj", "v_proj", "down_proj")
    config = LoraConfig(rank=rank, parts=parts, first_layer=0)
    return TunedGemma(folder, config, torch.float32).eval()


def soft_tokens(n: int, width: int = 32, seed: int = 0) -> SoftTokens:
    torch.manual_seed(seed)
    mask = torch.ones(1, n, dtype=torch.bool)
    return SoftTokens(torch.randn(1, n, width), mask, torch.ones(1, n, 1))


def test_options_score_as_if_each_stood_alone_behind_the_context(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = []
    for row in ROWS:
        ids = torch.tensor([[*CONTEXT, *row]])
        logprobs = model(ids).logits[0, :, FIRST_WORD:].log_softmax(dim=-1)
        at = range(len(CONTEXT), len(CONTEXT) + len(row) - 1)  # the first token is shared
        expected.append(sum(logprobs[i, ids[0, i + 1] - FIRST_WORD].item() for i in at))
    trees = [tree_of(CONTEXT, ROWS), tree_of([BOS], [[30], [31, 32]])]
    found = tuned(folder)(trees, None, None)[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-3)


def test_a_shared_token_is_packed_once() -> None:
    tree = tree_of(CONTEXT, ROWS)
    assert tree.nodes == (20, 21, 23, 24)
    assert tree.parents == (-1, 0, 0, 2)
    assert tree.scored == ((21, 22), (21,), (23, 24, 25), (23,))


def test_masked_soft_tokens_are_none_and_others_are_heard(folder: Path) -> None:
    model, trees, bias = tuned(folder), [tree_of(CONTEXT, ROWS)], torch.tensor(0.0)
    plain = model(trees, None, None)[0]
    soft = soft_tokens(3)
    closed = SoftTokens(soft.tokens, torch.zeros_like(soft.mask), soft.weights)
    assert torch.allclose(model(trees, closed, bias)[0], plain, atol=1e-4)
    assert not torch.allclose(model(trees, soft, bias)[0], plain, atol=1e-2)


def test_soft_tokens_hidden_from_view_only_move_the_positions(folder: Path) -> None:
    model, trees = tuned(folder), [tree_of(CONTEXT, ROWS)]
    one, other = (model(trees, soft_tokens(2, seed=seed), torch.tensor(-1e4))[0] for seed in (1, 2))
    assert torch.allclose(one, other, atol=1e-4)


def test_updates_start_at_nothing_and_merge_into_the_weights(folder: Path) -> None:
    trees = [tree_of(CONTEXT, ROWS)]
    model = tuned(folder)
    plain = tuned(folder, rank=0)(trees, None, None)[0]
    assert torch.allclose(model(trees, None, None)[0], plain, atol=1e-5)
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.2)
    changed = model(trees, None, None)[0]
    assert not torch.allclose(changed, plain, atol=1e-2)
    save_file(model.lora_state(), folder / "lora.safetensors")
    weights = merge_lora(tiny_source(folder).weights, folder / "lora.safetensors")
    save_numpy(weights, folder / "model.safetensors", metadata={"format": "pt"})
    merged = tuned(folder, rank=0)(trees, None, None)[0]
    assert torch.allclose(merged, changed, atol=2e-2)


def test_updates_of_another_model_are_refused(folder: Path) -> None:
    weights = tiny_source(folder).weights
    name = "model.layers.0.self_attn.q_proj.weight"
    a, b = np.zeros((2, 32), np.float32), np.zeros((32, 2), np.float32)
    assert set(updated(weights, {f"{name}.lora_a": a, f"{name}.lora_b": b})) == {name}
    with pytest.raises(LoraMismatchError, match="does not fit"):
        updated(weights, {"elsewhere.lora_a": a, "elsewhere.lora_b": b})
    with pytest.raises(LoraMismatchError, match="another shape"):
        updated(weights, {f"{name}.lora_a": a[:, :9], f"{name}.lora_b": b})
