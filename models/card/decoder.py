"""Moonshine's decoder for many sessions at once; tokens' keys and values lie in slots.

A draft goes on in its session's own slot, over what was there. Hypotheses of a beam have rows
aside: those of each pass are copied from those that they grow from.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from streamer.models.card.device import ROWS, Queue, Words, bucket, in_parts
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.layers import attend, layer_norm, rotated, turns
from streamer.models.card.moonshine import DecoderTensors
from streamer.models.card.slots import MAX_HYPOTHESES, MAX_TOKENS, Pools, known_frames
from streamer.models.moonshine.contract import Audio, AudioRows, RowOutput, TokenCache

FED: Final = (1, 16, 64, MAX_TOKENS)
"""Buckets of tokens fed, and of those scored."""
KNOWN: Final = (128, MAX_TOKENS)
"""Buckets of tokens in a slot."""
_USUAL: Final = ((1, 1), (16, 16), (64, 16), (64, 64))
"""Tokens that a step feeds and scores: one by one, a draft, one behind committed words."""
N_BEST: Final = (1, 16, 64)
_MOST_SCORED: Final = 4_096
"""Tokens that a pass scores, at most: each has a probability for all that there are."""
_N_INTS: Final = 6

Found = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SlotCache:
    """A `TokenCache`: the first tokens of a row."""

    row: int
    n_tokens: int

    def first(self, n_tokens: int) -> SlotCache:
        return SlotCache(self.row, n_tokens)


@dataclass(frozen=True)
class SlotRows:
    """See `AudioRows`."""

    audios: tuple[SlotAudio, ...]
    alone: bool

    def rows(self, indices: Sequence[int]) -> SlotRows:
        return SlotRows(tuple(self.audios[i] for i in indices), self.alone)


@dataclass(frozen=True)
class _Row:
    """A row of a pass: tokens behind the first `n_past` of `source`, written into `target`."""

    source: int
    target: int
    audio: SlotAudio
    n_past: int
    tokens: Sequence[int]
    following: Sequence[int]

    @property
    def ints(self) -> tuple[int, ...]:
        audio = self.audio
        n_new = len(self.tokens)
        return (self.source, self.target, audio.slot.index, self.n_past, n_new, audio.n_frames)


class CardDecoder:
    """See `streamer.models.moonshine.contract.TokenDecoder`."""

    def __init__(self, weights: DecoderTensors, pools: Pools, queue: Queue) -> None:
        self._weights, self._pools, self._queue = weights, pools, queue
        self._config = pools.config
        self._known_frames = known_frames(pools.config)
        self._beams = threading.Lock()
        self._half = 0

    @contextmanager
    def hypotheses(self) -> Iterator[None]:
        """To be held while the caches of hypotheses are in use: they share their rows."""
        with self._beams:
            yield

    def together(self, audios: Sequence[Audio]) -> SlotRows:
        return SlotRows(tuple(_in_slot(audio) for audio in audios), alone=False)

    def alone(self, audio: Audio) -> SlotRows:
        return SlotRows((_in_slot(audio),), alone=True)

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
        """See `TokenDecoder`.

        Raises:
            ValueError: the tokens are more than a slot holds.
        """
        assert isinstance(audio, SlotRows)
        rows = self._rows(audio, tokens, caches, targets)
        n_scored = min(n_scored, max(map(len, tokens)))
        sizes = (
            bucket(N_BEST, n_best),
            bucket(KNOWN, max(row.n_past + len(row.tokens) for row in rows)),
            bucket(self._known_frames, max(row.audio.n_frames for row in rows)),
            int(audio.alone),
        )
        by_length: dict[int, list[int]] = defaultdict(list)
        for at, row in enumerate(rows):
            by_length[bucket(FED, len(row.tokens))].append(at)
        outputs: dict[int, RowOutput] = {}
        for n_fed, places in by_length.items():
            length = min(n_fed, bucket(FED, n_scored))
            run = partial(self._run, (n_fed, length, *sizes))
            found = in_parts(run, [rows[at] for at in places], _most_rows(length))
            for at, best in zip(places, found, strict=True):
                cache = SlotCache(rows[at].target, rows[at].n_past + len(rows[at].tokens))
                outputs[at] = _output(
                    best[-n_scored:], cache, sizes[0], None if targets is not None else n_best
                )
        return [outputs[at] for at in range(len(rows))]

    def warm_up(self) -> None:
        """Capture the usual passes of drafts."""
        for n_rows in ROWS:
            for n_fed, n_scored in _USUAL:
                if n_rows > _most_rows(n_scored):
                    continue
                for n_frames in self._known_frames[:2]:
                    words = self._blank(n_rows, n_fed + n_scored).reshape(-1)
                    sizes = (n_rows, n_fed, n_scored, N_BEST[0], KNOWN[0], n_frames, 0)
                    self._queue.warm_up(self._pass, words, *sizes)

    def _rows(
        self,
        audio: SlotRows,
        tokens: Sequence[Sequence[int]],
        caches: Sequence[TokenCache],
        targets: Sequence[Sequence[int]] | None,
    ) -> list[_Row]:
        following: Sequence[Sequence[int]] = targets if targets is not None else [()] * len(tokens)
        if not audio.alone:
            return [
                _Row(one.slot.index, one.slot.index, one, cache.n_tokens, fed, behind)
                for one, fed, cache, behind in zip(
                    audio.audios, tokens, caches, following, strict=True
                )
            ]
        self._half = 1 - self._half
        (one,) = audio.audios
        return [
            _Row(
                cache.row if isinstance(cache, SlotCache) else target,
                target,
                one,
                cache.n_tokens,
                fed,
                behind,
            )
            for target, fed, cache, behind in zip(
                self._pools.scratch(self._half)[: len(tokens)],
                tokens,
                caches,
                following,
                strict=True,
            )
        ]

    def _run(self, sizes: tuple[int, ...], rows: Sequence[_Row]) -> list[Found]:
        """Of each row `[L, 2 K + 2]`: tokens, log-probabilities, the target's, the frame."""
        n_fed, n_scored = sizes[:2]
        n_rows = bucket(ROWS, len(rows))
        words = self._blank(n_rows, n_fed + n_scored)
        for at, row in enumerate(rows):
            words[at, :_N_INTS] = row.ints
            words[at, _N_INTS : _N_INTS + len(row.tokens)] = row.tokens
            n_following = min(len(row.following), n_scored)
            if n_following:
                words[at, -n_following:] = row.following[-n_following:]
        return list(self._queue.read(self._pass, words.reshape(-1), n_rows, *sizes)[: len(rows)])

    def _blank(self, n_rows: int, n_tokens: int) -> Words:
        """Rows of nobody."""
        nobody = self._pools.nobody
        words = np.zeros((n_rows, _N_INTS + n_tokens), np.int32)
        words[:, :_N_INTS] = (nobody, nobody, nobody, 0, 1, 1)
        return words

    def _pass(
        self,
        words: Tensor,
        n_rows: int,
        n_fed: int,
        n_scored: int,
        n_best: int,
        n_known: int,
        n_frames: int,
        fork: int,
    ) -> Tensor:
        pools, weights = self._pools, self._weights
        words = words.view(n_rows, _N_INTS + n_fed + n_scored).long()
        source, target, slots, n_past, n_new, heard = words[:, :_N_INTS].unbind(1)
        tokens, following = words[:, _N_INTS:-n_scored], words[:, -n_scored:]
        if fork:
            pools.tokens[:, target, :n_known] = pools.tokens[:, source, :n_known]
        order = torch.arange(n_fed, device=words.device)
        positions = n_past[:, None] + order
        # Padding is written to nobody.
        places = torch.where(order < n_new[:, None], positions, MAX_TOKENS)
        known = torch.arange(n_known, device=words.device)
        self_mask = (known <= positions[..., None])[:, None]
        cross_mask = (torch.arange(n_frames, device=words.device) < heard[:, None])[:, None, None]
        turn = turns(positions, self._config)
        x = functional.embedding(tokens, weights.embedding)
        n_heads, followed = self._config.decoder.n_heads, self._config.alignment_heads
        aligned = torch.zeros(1, device=words.device)
        for layer, (own, cross, feed_forward) in enumerate(weights.layers):
            query, key, value = (layer_norm(x, own.norm) @ own.qkv).chunk(3, dim=-1)
            keys, values = pools.tokens[2 * layer], pools.tokens[2 * layer + 1]
            keys[target[:, None], places] = rotated(key, turn, n_heads)
            values[target[:, None], places] = value
            mixed, _ = attend(
                rotated(query, turn, n_heads),
                keys[target, :n_known],
                values[target, :n_known],
                self_mask,
                n_heads,
            )
            x = x + mixed @ own.out
            mixed, attention = attend(
                layer_norm(x, cross.norm) @ cross.qkv,
                pools.cross[2 * layer][slots, :n_frames],
                pools.cross[2 * layer + 1][slots, :n_frames],
                cross_mask,
                n_heads,
            )
            for at, head in followed:
                if at == layer:
                    aligned = aligned + attention[:, head]
            x = feed_forward.run(x + mixed @ cross.out, gated=True)
        frames = aligned.argmax(-1)
        last = (n_new[:, None] - n_scored + torch.arange(n_scored, device=words.device)).clamp(0)
        x = x.gather(1, last[..., None].expand(-1, -1, x.shape[-1]))
        logits = layer_norm(x, weights.norm) @ weights.logits
        logprobs = logits.float().log_softmax(-1)
        best = logprobs.topk(n_best)
        asked = logprobs.gather(2, following[..., None])
        return torch.cat(
            (
                best.indices.int(),
                best.values.view(torch.int32),
                asked.view(torch.int32),
                frames.gather(1, last)[..., None].int(),
            ),
            dim=-1,
        )


def _most_rows(n_scored: int) -> int:
    return max((rows for rows in ROWS if rows * n_scored <= _MOST_SCORED), default=1)


def _output(
    found: Found,
    cache: SlotCache,
    n_found: int,
    n_best: int | None,
) -> RowOutput:
    """
    Args:
        n_best: None if one token was asked for.
    """
    frames = found[:, -1].astype(np.int64)
    if n_best is None:
        asked = found[:, -2:-1].view(np.float32)
        return RowOutput(np.zeros_like(asked, np.int64), asked, frames, cache)
    tokens = found[:, :n_best].astype(np.int64)
    logprobs = np.ascontiguousarray(found[:, n_found : n_found + n_best]).view(np.float32)
    return RowOutput(tokens, logprobs, frames, cache)


def _in_slot(audio: Audio) -> SlotAudio:
    assert isinstance(audio, SlotAudio)
    return audio


assert MAX_HYPOTHESES in ROWS
