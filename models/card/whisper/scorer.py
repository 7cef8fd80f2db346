"""Texts that are given, on sound that was heard: how likely they are, and when they are said.

Texts of several sessions share a pass. What they follow, how long they are, and on how much sound
they lie differs: what is not a text's own is masked. The keys of a sound are made once for all of
its texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.audio.arrays import Floats
from streamer.models.card.device import Card, Queue, Words, bucket, in_parts_or_fail
from streamer.models.card.whisper.layers import Attend, Network
from streamer.models.card.whisper.search import TOKENS
from streamer.models.errors import NoRoomError

_ROWS: Final = (1, 4, 16, 32)
"""Buckets of texts, and of the sounds that they lie on."""
_MOST_TOKENS: Final = 2_048
"""Of a pass: each has a logit for all of the vocabulary."""
_MOST_ALIGNED: Final = 512
"""Of a pass that aligns them: each has several weights for all positions."""
_N_SOUND: Final = 2
_N_INTS: Final = 4

Found = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Text:
    """Tokens behind others that are given, on the states of a slot."""

    slot: int
    n_positions: int
    given: Sequence[int]
    tokens: Sequence[int]
    n_heard: int = 1
    """Positions that sound lies on, not silence behind it."""


class Scorer:
    """Calls may come from several threads."""

    def __init__(
        self,
        network: Network,
        states: Tensor,
        closed: Tensor,
        heads: Sequence[tuple[int, int]],
        median_width: int,
        languages: Sequence[int],
        card: Card,
        queue: Queue,
    ) -> None:
        """
        Args:
            states: the encoder's, `[slots, positions, D]`.
            closed: which tokens may not be said, `[V]`.
            heads: layer and head of the cross-attention that follows the sound.
            median_width: of the filter over its weights, odd.
            languages: tokens.
        """
        self._network, self._states, self._closed = network, states, closed
        self._heads, self._median_width = heads, median_width
        self._languages = card.place(languages, torch.long)
        self._queue = queue

    def logprobs(self, texts: Sequence[Text]) -> list[float | NoRoomError]:
        """Of each behind the given tokens; minus infinity if it has what may not be said."""
        return [
            found if isinstance(found, NoRoomError) else float(found[0])
            for found in self._run(self._scored, texts, _MOST_TOKENS)
        ]

    def alignments(self, texts: Sequence[Text]) -> list[tuple[Floats, Floats] | NoRoomError]:
        """Of each the weights `[T, n_heard]` of its tokens, and their log-probabilities `[T]`."""
        answers: list[tuple[Floats, Floats] | NoRoomError] = []
        for text, found in zip(texts, self._run(self._aligned, texts, _MOST_ALIGNED), strict=True):
            if isinstance(found, NoRoomError):
                answers.append(found)
                continue
            own = found[len(text.given) - 1 : len(text.given) - 1 + len(text.tokens)]
            answers.append((own[:, 1 : 1 + text.n_heard], own[:, 0]))
        return answers

    def spoken(self, sounds: Sequence[Text]) -> list[Floats | NoRoomError]:
        """Probabilities of the languages, among themselves, behind the very first token, which is
        all that is given."""
        return self._run(self._named, sounds, _MOST_TOKENS)

    def _run(
        self, function: Callable[..., Tensor], texts: Sequence[Text], most_tokens: int
    ) -> list[Found | NoRoomError]:
        """What a pass gives for each text; those of like length share one."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for at, text in enumerate(texts):
            by_length[bucket(TOKENS, len(text.given) + len(text.tokens))].append(at)
        answers: dict[int, Found | NoRoomError] = {}
        for n_tokens, places in by_length.items():
            most = max(rows for rows in _ROWS if rows == 1 or rows * n_tokens <= most_tokens)
            run = partial(self._part, function, n_tokens)
            found = in_parts_or_fail(run, [texts[at] for at in places], most)
            answers.update(zip(places, found, strict=True))
        return [answers[at] for at in range(len(texts))]

    def _part(
        self, function: Callable[..., Tensor], n_tokens: int, texts: Sequence[Text]
    ) -> list[Found]:
        sounds = list(dict.fromkeys((text.slot, text.n_positions) for text in texts))
        n_rows, n_sounds = bucket(_ROWS, len(texts)), bucket(_ROWS, len(sounds))
        words = _words(texts, sounds, n_rows, n_sounds, n_tokens)
        n_positions = max(n_positions for _, n_positions in sounds)
        found = self._queue.read(function, words, n_rows, n_sounds, n_tokens, n_positions)
        return list(found[: len(texts)])

    def _scored(self, words: Tensor, *sizes: int) -> Tensor:
        rows = self._rows(words, *sizes)
        found = self._following(rows, self._last(rows, self._cross))
        return torch.where(rows.is_text, found, 0).sum(1, keepdim=True)

    def _named(self, words: Tensor, *sizes: int) -> Tensor:
        rows = self._rows(words, *sizes)
        first = self._last(rows, self._cross)[:, 0]
        return self._network.logits(first)[:, self._languages].softmax(-1)

    def _aligned(self, words: Tensor, *sizes: int) -> Tensor:
        """`[B, T, 1 + P]`: log-probabilities of what follows, weights."""
        rows = self._rows(words, *sizes)
        kept: dict[int, Tensor] = {}

        def cross(rows: _Rows, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Attend:
            plain = self._cross(rows, keys, values)

            def attend(at: int, attention: Any, x: Tensor) -> Tensor:
                kept[at] = self._network.weights(attention, x, keys[at], rows.heard)
                return plain(at, attention, x)

            return attend

        last = self._last(rows, cross)
        weights = torch.stack([kept[layer][:, head] for layer, head in self._heads], dim=1)
        counts, length = rows.is_text[:, None, :, None], rows.length[:, None, None]
        mean = (weights * counts).sum(2, keepdim=True) / length
        spread = ((weights - mean).square() * counts).sum(2, keepdim=True) / length
        # Where there is no sound at all, nothing is looked at.
        weights = torch.where(rows.heard, (weights - mean) / spread.sqrt(), 0)
        weights = self._smooth(weights, rows.n_heard).mean(1)
        return torch.cat((self._following(rows, last)[..., None], weights), dim=-1)

    def _smooth(self, weights: Tensor, n_heard: Tensor) -> Tensor:
        """The median along positions, mirrored at the first and at the last with sound; `weights
        [B, H, T, P]`, `n_heard [B, 1]`."""
        reach = self._median_width // 2
        steps = torch.arange(-reach, reach + 1, device=weights.device)
        places = torch.arange(weights.shape[-1], device=weights.device)[:, None] + steps
        places, last = places.abs(), n_heard[..., None] - 1
        places = torch.where(places > last, 2 * last - places, places)
        places = places.clamp(0, weights.shape[-1] - 1).flatten(1)[:, None, None]
        around = weights.gather(-1, places.expand(*weights.shape[:3], -1))
        smooth = around.reshape(*weights.shape, len(steps)).sort(-1).values[..., reach]
        # So little sound has no neighbours.
        return torch.where(n_heard[..., None, None] > reach, smooth, weights)

    def _rows(
        self, words: Tensor, n_rows: int, n_sounds: int, n_tokens: int, n_positions: int
    ) -> _Rows:
        words = words.long()
        sounds = words[: n_sounds * _N_SOUND].view(n_sounds, _N_SOUND)
        texts = words[n_sounds * _N_SOUND :].view(n_rows, _N_INTS + 2 * n_tokens)
        sound, given, length, n_heard = texts[:, :_N_INTS].unbind(1)
        order = torch.arange(n_tokens, device=words.device)
        first = given[:, None] - 1
        positions = torch.arange(n_positions, device=words.device)
        return _Rows(
            states=self._states[sounds[:, 0], :n_positions],
            sound=sound,
            fed=texts[:, _N_INTS : _N_INTS + n_tokens],
            following=texts[:, _N_INTS + n_tokens :],
            is_text=(order >= first) & (order < first + length[:, None]),
            length=length[:, None],
            heard=(positions < sounds[sound, 1][:, None])[:, None, None],
            n_heard=n_heard[:, None],
        )

    def _last(self, rows: _Rows, cross: Any) -> Tensor:
        """The decoder's states for all that is fed."""
        network = self._network
        crossed = [network.crossed(at, rows.states) for at in range(network.n_layers)]
        order = torch.arange(rows.fed.shape[1], device=rows.fed.device)
        causal = order <= order[:, None]

        def own(at: int, attention: Any, x: Tensor) -> Tensor:
            return network.attended(attention, x, attention.k_proj(x), attention.v_proj(x), causal)

        keys = [keys[rows.sound] for keys, _ in crossed]
        attend = cross(rows, keys, [values[rows.sound] for _, values in crossed])
        return network.decoded(rows.fed, order.expand(len(rows.fed), -1), own, attend)

    def _cross(self, rows: _Rows, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Attend:
        def attend(at: int, attention: Any, x: Tensor) -> Tensor:
            return self._network.attended(attention, x, keys[at], values[at], rows.heard)

        return attend

    def _following(self, rows: _Rows, last: Tensor) -> Tensor:
        """The log-probability of what is to follow each token, `[B, T]`."""
        logits = self._network.logits(last).masked_fill(self._closed, -torch.inf)
        asked = logits.gather(2, rows.following[..., None])[..., 0]
        return asked - logits.logsumexp(-1)


@dataclass(frozen=True)
class _Rows:
    """A pass: texts `[B, …]` on sounds."""

    states: Tensor
    """`[sounds, P, D]`."""
    sound: Tensor
    """Of each text, `[B]`."""
    fed: Tensor
    following: Tensor
    is_text: Tensor
    """Which of what follows is the text's own, `[B, T]`."""
    length: Tensor
    """`[B, 1]`."""
    heard: Tensor
    """Which positions are the sound's own, `[B, 1, 1, P]`."""
    n_heard: Tensor
    """`[B, 1]`."""


def _words(
    texts: Sequence[Text],
    sounds: Sequence[tuple[int, int]],
    n_rows: int,
    n_sounds: int,
    n_tokens: int,
) -> Words:
    """Slot and positions of each sound; of each text its sound, how many tokens are given, its own,
    and the positions with sound; then what is fed, and what is to follow each of it."""
    lying = np.zeros((n_sounds, _N_SOUND), np.int32)
    lying[:] = sounds[0]
    lying[: len(sounds)] = sounds
    words = np.zeros((n_rows, _N_INTS + 2 * n_tokens), np.int32)
    for row, text in enumerate(texts):
        fed = [*text.given, *text.tokens[:-1]]
        following = [*text.given[1:], *text.tokens]
        sound = sounds.index((text.slot, text.n_positions))
        words[row, :_N_INTS] = (sound, len(text.given), len(text.tokens), text.n_heard)
        words[row, _N_INTS : _N_INTS + len(fed)] = fed
        words[row, _N_INTS + n_tokens : _N_INTS + n_tokens + len(following)] = following
    words[len(texts) :] = words[0]
    return np.concatenate((lying.ravel(), words.ravel()))
