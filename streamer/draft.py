"""Greedy decoding that verifies the previous draft in one pass and extends it.

The tokens of the last step are fed at once behind the committed ones; what the newest encoder
output still predicts is kept, and only from the first difference on is decoding done token by
token. This is speculative decoding with the past as the draft model (Leviathan et al., 2023,
greedy case). It gives what decoding from scratch gives but for near ties: the decoder's 8-bit
activations share one scale in each pass, so logits move a little with the tokens beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.moonshine import BOS, EOS, Audio, DraftDecoder

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded token, the encoder frame it attends to most, and its log-probability (nats)."""

    id: int
    frame: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens after the forced prefix. `ended` tells that the decoder closed the sentence itself,
    rather than the token budget."""

    tokens: tuple[Token, ...]
    ended: bool


def log_probability(logits: Floats, token: int) -> float:
    """log P of `token` under `logits [V]`, in nats."""
    peak = float(logits.max())
    return float(logits[token]) - peak - float(np.log(np.exp(logits - peak).sum()))


def crop_cache(cache: Sequence[Floats], n_tokens: int) -> list[Floats]:
    """The self-attention caches of the first `n_tokens` tokens."""
    return [np.ascontiguousarray(part[:, :, :n_tokens]) for part in cache]


def verify_and_extend(
    decoder: DraftDecoder,
    audio: Audio,
    prefix: Sequence[int],
    draft: Sequence[int],
    max_tokens: int,
) -> Draft:
    """Decode what follows `prefix`, trusting as much of `draft` as still holds.

    Args:
        prefix: token ids that are given (committed); they are neither questioned nor returned.
        draft: the guess to verify, usually the previous step's tokens.
        max_tokens: budget for the tokens after the prefix.
    """
    fed = [BOS, *prefix, *draft[:max_tokens]]
    out = decoder.run(audio, np.array([fed], np.int64), decoder.empty_cache())
    kept: list[Token] = []
    at = len(prefix)
    while True:
        logits = out.logits[0, at]
        token = int(logits.argmax())
        if token == EOS:
            return Draft(tuple(kept), ended=True)
        if len(kept) == max_tokens:
            return Draft(tuple(kept), ended=False)
        frame = int(out.alignment[0, at].argmax())
        kept.append(Token(token, frame, log_probability(logits, token)))
        if (
            len(kept) <= len(draft)
            and at + 1 < out.logits.shape[1]
            and draft[len(kept) - 1] == token
        ):
            at += 1
            continue
        cache = crop_cache(out.cache, 1 + len(prefix) + len(kept) - 1)
        out = decoder.run(audio, np.array([[token]], np.int64), cache)
        at = 0
