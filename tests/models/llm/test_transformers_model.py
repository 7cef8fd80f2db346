"""What `test_loading` and `test_scorer` do not see of models of the transformers library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.transformers_model import TransformersModel, read_model
from tests.models.tiny_gemma import write_tiny_gemma

TEXTS = [[9, 8], [7]]


def test_a_pass_that_failed_half_way_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_gemma(tmp_path)
    library_model = read_model(tmp_path, threads=1)
    model = TransformersModel(library_model)
    cache = model.new_cache()
    expected = [
        model.logprobs([LlmTokenRequest(context, model.new_cache(), TEXTS, 0)])[0]
        for context in ([2, 5], [2, 5, 6, 4])
    ]

    def ask(context: list[int]) -> list[float]:
        return model.logprobs([LlmTokenRequest(context, cache, TEXTS, 0)])[0]

    assert ask([2, 5]) == expected[0]
    plain = library_model.forward

    def short(*given: Any, **settings: Any) -> Any:
        plain(*given, **settings)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(library_model, "forward", short)
    with pytest.raises(torch.OutOfMemoryError):
        ask([2, 5, 6, 4])
    monkeypatch.setattr(library_model, "forward", plain)
    assert ask([2, 5, 6, 4]) == pytest.approx(expected[1], abs=1e-2)
