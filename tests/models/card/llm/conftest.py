"""Tiny language models of every kind that can be batched, and one of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.card.llm.random_llms import SHARED, make


@pytest.fixture(scope="module", params=SHARED)
def model(request: pytest.FixtureRequest) -> Any:
    return make(request.param)


@pytest.fixture(scope="module")
def llama() -> Any:
    return make("Llama")
