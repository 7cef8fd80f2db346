"""Texts that are given, on sound that was heard: how likely they are, and when they are said."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.audio.arrays import Floats
from streamer.models.card.device import Queue, bucket, in_parts
from streamer.models.card.whisper.layers import Attend, Network
from streamer.models.card.whisper.search import TOKENS

_ROWS: Final = (1, 4, 16, 32)
"""Buckets of texts."""
_MOST_TOKENS: Final = 2_048
"""Of a pass: each has a logit for all of the vocabulary."""
_N_INTS: Final = 4


class Scorer:
    """Calls may come from several threads."""

    def __init__(
        self,
        network: Network,
        states: Tensor,
        closed: Tensor,
        heads: Sequence[tuple[int, int]],
        median_width: int,
        queue: Queue,
    ) -> None:
        """
        Args:
            states: the encoder's, `[slots, positions, D]`.
            closed: which tokens may not be said, `[V]`.
            heads: layer and head of the cross-attention that follows the sound.
            median_width: of the filter over its weights, odd.
        """
        self._network, self._states, self._closed = network, states, closed
        self._heads, self._median_width = heads, median_width
        self._queue = queue

    def logprobs(
        self, slot: int, n_positions: int, given: Sequence[int], texts: Sequence[Sequence[int]]
    ) -> list[float]:
        """Of each text behind the given tokens; minus infinity if it has what may not be said."""
        n_tokens = bucket(TOKENS, len(given) + max(map(len, texts)))
        run = partial(self._run, slot, n_positions, given, n_tokens)
        most = max(rows for rows in _ROWS if rows == 1 or rows * n_tokens <= _MOST_TOKENS)
        return in_parts(run, texts, most)

    def alignment(
        self,
        slot: int,
        n_positions: int,
        n_heard: int,
        given: Sequence[int],
        text: Sequence[int],
    ) -> tuple[Floats, Floats]:
        """Weights `[T, n_heard]` of each token of the text, and its log-probability `[T]`.

        Args:
            n_heard: positions that sound lies on.
        """
        n_tokens = bucket(TOKENS, len(given) + len(text))
        words = self._words(slot, given, [text], 1, n_tokens)
        words[0, 3] = n_heard
        found = self._queue.read(self._aligned, words.reshape(-1), n_tokens, n_positions)
        own = found[len(given) - 1 : len(given) - 1 + len(text)]
        return own[:, 1 : 1 + n_heard], own[:, 0]

    def first(self, slot: int, n_positions: int, start: int, asked: Sequence[int]) -> Floats:
        """Probabilities of the asked tokens, among themselves, behind the very first."""
        words = self._words(slot, [start], [[start]], 1, TOKENS[0])
        logits = self._queue.read(self._beginning, words.reshape(-1), n_positions)[0]
        wanted = logits[list(asked)]
        shares = np.exp(wanted - wanted.max())
        probabilities: Floats = shares / shares.sum()
        return probabilities

    def _run(
        self,
        slot: int,
        n_positions: int,
        given: Sequence[int],
        n_tokens: int,
        texts: Sequence[Sequence[int]],
    ) -> list[float]:
        n_rows = bucket(_ROWS, len(texts))
        words = self._words(slot, given, texts, n_rows, n_tokens)
        found = self._queue.read(self._scored, words.reshape(-1), n_rows, n_tokens, n_positions)
        return [float(value) for value in found[: len(texts)]]

    def _words(
        self,
        slot: int,
        given: Sequence[int],
        texts: Sequence[Sequence[int]],
        n_rows: int,
        n_tokens: int,
    ) -> npt.NDArray[np.int32]:
        """A row for each text: slot, tokens given, tokens of text; then what is fed, and what is
        to follow each of it."""
        words = np.zeros((n_rows, _N_INTS + 2 * n_tokens), np.int32)
        words[:, 0] = slot
        words[:, 1] = 1
        for row, text in enumerate(texts):
            fed, following = [*given, *text[:-1]], [*given[1:], *text]
            words[row, 1:3] = (len(given), len(text))
            words[row, _N_INTS : _N_INTS + len(fed)] = fed
            words[row, _N_INTS + n_tokens : _N_INTS + n_tokens + len(following)] = following
        return words

    def _scored(self, words: Tensor, n_rows: int, n_tokens: int, n_positions: int) -> Tensor:
        words = words.view(n_rows, -1).long()
        last = self._last(words, n_tokens, n_positions, self._cross)
        found = self._following(words, last)
        order = torch.arange(n_tokens, device=words.device)
        given, text = words[:, 1:2], words[:, 2:3]
        counts = (order >= given - 1) & (order < given - 1 + text)
        return torch.where(counts, found, 0).sum(1)

    def _beginning(self, words: Tensor, n_positions: int) -> Tensor:
        words = words.view(1, -1).long()
        n_tokens = (words.shape[1] - _N_INTS) // 2
        return self._network.logits(self._last(words, n_tokens, n_positions, self._cross)[:, 0])

    def _aligned(self, words: Tensor, n_tokens: int, n_positions: int) -> Tensor:
        """`[T, 1 + P]`: log-probabilities of what follows, weights."""
        words = words.view(1, -1).long()
        kept: dict[int, Tensor] = {}

        def cross(keys: Sequence[Tensor], values: Sequence[Tensor]) -> Attend:
            plain = self._cross(keys, values)

            def attend(at: int, attention: Any, x: Tensor) -> Tensor:
                kept[at] = self._network.weights(attention, x, keys[at])[0]
                return plain(at, attention, x)

            return attend

        last = self._last(words, n_tokens, n_positions, cross)
        weights = torch.stack([kept[layer][head] for layer, head in self._heads])
        order = torch.arange(n_tokens, device=words.device)
        first, length, n_heard = words[0, 1:2] - 1, words[0, 2:3], words[0, 3:4]
        counts = ((order >= first) & (order < first + length))[:, None]
        mean = (weights * counts).sum(1, keepdim=True) / length
        spread = ((weights - mean).square() * counts).sum(1, keepdim=True) / length
        weights = (weights - mean) / spread.sqrt()
        weights = self._smooth(weights, n_heard).mean(0)
        return torch.cat((self._following(words, last)[0][:, None], weights), dim=1)

    def _smooth(self, weights: Tensor, n_heard: Tensor) -> Tensor:
        """The median along positions, mirrored at the first and at the last with sound."""
        reach = self._median_width // 2
        steps = torch.arange(-reach, reach + 1, device=weights.device)
        places = torch.arange(weights.shape[-1], device=weights.device)[:, None] + steps
        places = places.abs()
        last = n_heard - 1
        places = torch.where(places > last, 2 * last - places, places)
        around = weights[..., places.clamp(0, weights.shape[-1] - 1)]
        smooth = around.sort(-1).values[..., reach]
        # So little sound has no neighbours.
        return torch.where(n_heard > reach, smooth, weights)

    def _last(self, words: Tensor, n_tokens: int, n_positions: int, cross: Any) -> Tensor:
        """The decoder's states for all that is fed."""
        network = self._network
        states = self._states[words[:1, 0], :n_positions]
        crossed = [network.crossed(at, states) for at in range(network.n_layers)]
        order = torch.arange(n_tokens, device=words.device)
        causal = order <= order[:, None]

        def own(at: int, attention: Any, x: Tensor) -> Tensor:
            return network.attended(attention, x, attention.k_proj(x), attention.v_proj(x), causal)

        attend = cross([keys for keys, _ in crossed], [values for _, values in crossed])
        fed = words[:, _N_INTS : _N_INTS + n_tokens]
        return network.decoded(fed, order.expand(len(words), -1), own, attend)

    def _cross(self, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Attend:
        def attend(at: int, attention: Any, x: Tensor) -> Tensor:
            return self._network.attended(attention, x, keys[at], values[at], None)

        return attend

    def _following(self, words: Tensor, last: Tensor) -> Tensor:
        """The log-probability of what is to follow each token, `[B, T]`."""
        following = words[:, -last.shape[1] :]
        logits = self._network.logits(last).masked_fill(self._closed, -torch.inf)
        asked = logits.gather(2, following[..., None])[..., 0]
        return asked - logits.logsumexp(-1)
