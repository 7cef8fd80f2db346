"""A Gemma 3 text model before its graphs are built: its numbers, from whatever file they came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tokenizers import Tokenizer

from streamer.audio.arrays import Floats
from streamer.models.llm.contract import MAX_CONTEXT_TOKENS, MAX_CONTINUATION_TOKENS

MAX_POSITIONS: Final = MAX_CONTEXT_TOKENS + MAX_CONTINUATION_TOKENS


class UnsupportedGemmaError(ValueError):
    """The model is not a Gemma 3 text model that the graphs can express."""


@dataclass(frozen=True)
class GemmaShape:
    """What the graphs need to know of the model."""

    n_heads: int
    head_dim: int
    epsilon: float
    attention_scale: float
    rotary_bases: tuple[float, ...]
    """One a layer."""


@dataclass(frozen=True)
class GemmaSource:
    shape: GemmaShape
    bos: int
    """The token that texts begin with."""
    weights: Mapping[str, Floats]
    """By the names that the transformers library gives them. Norms multiply by 1 + weight."""
    tokenizer: Tokenizer
