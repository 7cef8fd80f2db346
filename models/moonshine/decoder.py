"""Moonshine's autoregressive decoder: any number of tokens of any number of hypotheses at once.

Rows of a pass may differ in everything: tokens, caches, audio. What is shorter is padded and
masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.models.moonshine.config import TINY, MoonshineConfig, cache_names
from streamer.models.moonshine.contract import Audio, AudioRows, RowOutput, TokenCache
from streamer.models.moonshine.encoder import EncodedAudio, no_frames
from streamer.models.moonshine.tokenizer import STEP_FILE
from streamer.models.onnx.runtime import open_session

MASKED: Final = -1e9
"""Added to the scores of what must not be attended to; finite, so that rows of nothing but
padding stay numbers."""


@dataclass(frozen=True)
class ArrayCache:
    """A `TokenCache`: keys and values of P tokens, `[2 * layers, H, P, D]`. Never written on.
    That of no tokens may be of any other dimensions."""

    values: Floats

    @property
    def n_tokens(self) -> int:
        return int(self.values.shape[2])

    def first(self, n_tokens: int) -> ArrayCache:
        return ArrayCache(self.values[:, :, :n_tokens].copy())


NO_CACHE: Final = ArrayCache(np.zeros((1, 1, 0, 1), np.float32))
"""That of no tokens."""


@dataclass(frozen=True)
class AudioBatch:
    """The audio of each row, or the one of all rows.

    `cross_kv [2 * layers, A, H, S, D]`, `mask [A, 1, 1, S]`.
    """

    cross_kv: Floats
    mask: Floats

    def rows(self, indices: Sequence[int]) -> AudioBatch:
        """Some of the rows."""
        return AudioBatch(self.cross_kv[:, indices], self.mask[indices])


def together(audios: Sequence[EncodedAudio]) -> AudioBatch:
    """One row for each."""
    n_frames = [audio.cross_kv.shape[2] for audio in audios]
    mask = np.zeros((len(audios), 1, 1, max(n_frames)), np.float32)
    if len(audios) == 1:
        return AudioBatch(audios[0].cross_kv[:, None], mask)
    n_parts, n_heads, _, head_dim = audios[0].cross_kv.shape
    padded = np.zeros((n_parts, len(audios), n_heads, max(n_frames), head_dim), np.float32)
    for row, audio in enumerate(audios):
        padded[:, row, :, : n_frames[row]] = audio.cross_kv
        mask[row, ..., n_frames[row] :] = MASKED
    return AudioBatch(padded, mask)


class DraftDecoder:
    """See `streamer.models.moonshine.contract.TokenDecoder`. Stateless, safe to share between
    threads."""

    def __init__(
        self,
        folder: Path,
        config: MoonshineConfig = TINY,
        *,
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            folder: with the graphs of `streamer.models.moonshine.graph`.
            config: of the model that they were built from.
        """
        stack = config.decoder
        self._step = open_session(folder / STEP_FILE, threads=threads, device=device)
        self._past, self._cross = cache_names("past", stack), cache_names("cross", stack)
        self._outputs = ["alignment", *cache_names("new", stack)]
        self._no_tokens = no_frames(stack)

    def together(self, audios: Sequence[Audio]) -> AudioBatch:
        return together([_encoded(audio) for audio in audios])

    def alone(self, audio: Audio) -> AudioBatch:
        return self.together([audio])

    def run(
        self,
        audio: AudioRows,
        tokens: Sequence[Sequence[int]],
        caches: Sequence[TokenCache],
        *,
        n_scored: int = 1,
        n_best: int = 1,
        targets: Sequence[Sequence[int]] | None = None,
    ) -> list[RowOutput]:
        assert isinstance(audio, AudioBatch)
        known = [_values(cache) if cache.n_tokens else self._no_tokens for cache in caches]
        n_new = [len(row) for row in tokens]
        n_past = [values.shape[2] for values in known]
        width, depth = max(n_new), max(n_past)
        fed = np.zeros((len(tokens), width), np.int64)
        positions = np.zeros((len(tokens), width), np.int64)
        mask = np.full((len(tokens), 1, width, depth + width), MASKED, np.float32)
        later = MASKED * (np.arange(width)[:, None] < np.arange(width))
        n_parts, n_heads, _, head_dim = self._no_tokens.shape
        past = np.zeros((n_parts, len(tokens), n_heads, depth, head_dim), np.float32)
        for row, (new, old) in enumerate(zip(n_new, n_past, strict=True)):
            fed[row, width - new :] = tokens[row]
            positions[row, width - new :] = np.arange(old, old + new)
            past[:, row, :, :old] = known[row]
            mask[row, 0, :, :old] = 0.0
            mask[row, 0, :, depth:] = later
            mask[row, 0, :, depth : depth + width - new] = MASKED
        feed: dict[str, npt.NDArray[np.generic]] = {
            "tokens": fed,
            "positions": positions,
            "self_mask": mask,
            "cross_mask": audio.mask,
            "n_scored": np.array([n_scored], np.int64),
            "n_best": np.array([n_best], np.int64),
        }
        feed.update(zip(self._past, past, strict=True))
        feed.update(zip(self._cross, audio.cross_kv, strict=True))
        if targets is None:
            names = ["tokens_best", "logprobs_best"]
            best, logprobs, alignment, *grown = self._step.run([*names, *self._outputs], feed)
        else:
            best = np.zeros((len(tokens), n_scored, 1), np.int64)
            for row, following in enumerate(targets):
                best[row, n_scored - len(following) :, 0] = following
            all_logprobs, alignment, *grown = self._step.run(["logprobs", *self._outputs], feed)
            logprobs = np.take_along_axis(all_logprobs, best, axis=2)
        made = np.stack(grown)
        return [
            RowOutput(
                best[row],
                logprobs[row],
                alignment[row].argmax(axis=-1),
                ArrayCache(
                    np.concatenate([known[row], made[:, row, :, width - n_new[row] :]], axis=2)
                ),
            )
            for row in range(len(tokens))
        ]


def _encoded(audio: Audio) -> EncodedAudio:
    assert isinstance(audio, EncodedAudio)
    return audio


def _values(cache: TokenCache) -> Floats:
    assert isinstance(cache, ArrayCache)
    return cache.values
