"""Beam search of several windows at once, in memory that is set aside once.

The beam lives on the card: which hypotheses go on, which have ended, which row of memory holds
which of their tokens. A step is one pass; whether anything can still change is asked now and then.
It is the search of the transformers library without a penalty for length: it ends when no open
hypothesis is likelier than the least likely of as many ended ones as the beam is wide.

Each step reads one side of the beam's memory and writes the other, so it may be run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from streamer.models.card.device import Card, Queue, bucket
from streamer.models.card.whisper.layers import Attend, Network

ROWS: Final = (1, 4, 16)
"""Buckets of windows."""
WIDTHS: Final = (1, 5)
"""Buckets of hypotheses of a window."""
TOKENS: Final = (16, 64, 128, 448)
"""Buckets of tokens that are given, and of those that are known."""
_LOOK_EVERY: Final = 4
"""Steps between two looks at whether the search is over."""
_NEVER: Final = -1e9
_N_INTS: Final = 3


@dataclass(frozen=True)
class Window:
    """Where a window's states lie, the tokens that its text is to follow, and how many it may have,
    the end included."""

    slot: int
    given: Sequence[int]
    budget: int


@dataclass(frozen=True)
class Ended:
    """A hypothesis that came to its end: its tokens without that, and its log-probability."""

    tokens: tuple[int, ...]
    logprob: float


@dataclass(frozen=True)
class Found:
    ended: tuple[Ended, ...]
    """Likeliest first."""
    no_speech: float


class _Beam:
    """What a search remembers `[2, windows, …]`, and keys and values."""

    def __init__(self, network: Network, card: Card) -> None:
        n_windows, width, n_tokens = ROWS[-1], WIDTHS[-1], network.max_tokens
        rows = n_windows * width

        def floats(*shape: int) -> Tensor:
            return torch.zeros(shape, device=card.device, dtype=torch.float32)

        def ints(*shape: int) -> Tensor:
            return torch.zeros(shape, device=card.device, dtype=torch.long)

        layers = range(network.n_layers)
        own = (2, rows, n_tokens, network.width)
        cross = (2, n_windows, network.max_positions, network.width)
        with card.fitting("the second listener's hypotheses"):
            self.own = [torch.zeros(own, device=card.device, dtype=card.dtype) for _ in layers]
            self.cross = [torch.zeros(cross, device=card.device, dtype=card.dtype) for _ in layers]
            self.scores = floats(2, n_windows, width)
            self.tokens = ints(2, n_windows, width, n_tokens)
            """Of the hypotheses that go on, behind those that are given."""
            self.rows = ints(2, n_windows, width, n_tokens)
            """Which row of `own` holds each token, the given ones too."""
            self.ended_scores = floats(2, n_windows, width)
            self.ended_tokens = ints(2, n_windows, width, n_tokens)
            self.ended_lengths = ints(2, n_windows, width)
            """-1: nothing has ended there."""
            self.is_open = ints(2, n_windows)


class BeamSearch:
    """Calls must not overlap."""

    def __init__(
        self, network: Network, states: Tensor, closed: Tensor, end: int, no_speech: int,
        card: Card, queue: Queue,
    ) -> None:  # fmt: skip
        """
        Args:
            states: the encoder's, `[slots, positions, D]`.
            closed: which tokens may not be said, `[V]`.
            end: the token that ends a text.
            no_speech: the token whose probability, first of all, is that nobody speaks.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        self._network, self._states, self._closed = network, states, closed
        self._end, self._no_speech = end, no_speech
        self._queue = queue
        self._beam = _Beam(network, card)

    def run(self, windows: Sequence[Window], n_positions: int, width: int) -> list[Found]:
        """Search; at most `ROWS[-1]` windows.

        Args:
            n_positions: of the encoder's states.
            width: hypotheses of each, at most `WIDTHS[-1]`.

        Raises:
            ValueError: too many tokens are given, or hypotheses wanted.
        """
        n_rows, n_beams = bucket(ROWS, len(windows)), bucket(WIDTHS, width)
        longest = max(len(window.given) for window in windows)
        n_given = bucket(TOKENS, longest)
        n_steps = min(max(w.budget for w in windows), self._network.max_tokens - longest)
        words = np.zeros((n_rows, _N_INTS + n_given), np.int32)
        for row, window in enumerate(windows):
            words[row, 1 : 1 + 2] = (window.slot, len(window.given))
            words[row, _N_INTS : _N_INTS + len(window.given)] = window.given
        words[len(windows) :] = words[0]
        with self._queue.turn():
            begun = self._queue.read(
                self._begin, words.reshape(-1), n_rows, n_given, n_positions, n_beams
            )
            ints = words[:, :_N_INTS].copy()
            step = 1
            for step in range(1, n_steps):
                ints[:, 0] = step
                known = bucket(TOKENS, longest + step)
                sizes = (n_rows, known, n_positions, n_beams)
                if step % _LOOK_EVERY:
                    self._queue.run(self._step, ints.reshape(-1), *sizes)
                elif not self._queue.read(self._step, ints.reshape(-1), *sizes)[
                    : len(windows)
                ].any():
                    break
            ints[:, 0] = step if n_steps > 1 else 0
            ended = self._queue.read(self._outcome, ints.reshape(-1), n_rows, n_beams)
        return [
            _found(ended[row], begun[row], window.budget, width)
            for row, window in enumerate(windows)
        ]

    def _begin(
        self, words: Tensor, n_rows: int, n_given: int, n_positions: int, n_beams: int
    ) -> Tensor:
        """Take in the sound and the given tokens; gives the probability that nobody speaks."""
        beam, network = self._beam, self._network
        words = words.view(n_rows, -1).long()
        slots, lengths = words[:, 1], words[:, 2:3]
        states = self._states[slots, :n_positions]
        for at in range(network.n_layers):
            for part, crossed in enumerate(network.crossed(at, states)):
                beam.cross[at][part, :n_rows, :n_positions] = crossed
        order = torch.arange(n_given, device=words.device)
        causal = order <= order[:, None]
        firsts = WIDTHS[-1] * torch.arange(n_rows, device=words.device)

        def own(at: int, attention: Any, x: Tensor) -> Tensor:
            keys, values = attention.k_proj(x), attention.v_proj(x)
            beam.own[at][0, firsts, :n_given] = keys
            beam.own[at][1, firsts, :n_given] = values
            return network.attended(attention, x, keys, values, causal)

        positions = order.expand(n_rows, -1)
        last = network.decoded(words[:, _N_INTS:], positions, own, self._cross(n_rows, n_positions))
        start = network.logits(last[:, 0]).softmax(-1)[:, self._no_speech]
        last = last.gather(1, (lengths - 1)[..., None].expand(-1, -1, last.shape[-1]))
        # Only the first goes on: all are the same yet.
        scores = torch.full((n_rows, n_beams), _NEVER, device=words.device)
        scores[:, 0] = 0
        rows = firsts[:, None, None].expand(-1, n_beams, network.max_tokens)
        blank = torch.zeros_like(rows)
        nothing = torch.full_like(scores, _NEVER)
        lengths_of_ended = torch.full((n_rows, n_beams), -1, device=words.device)
        self._select(
            torch.zeros(1, dtype=torch.long, device=words.device),
            network.logits(last).expand(-1, n_beams, -1),
            _Side(scores, blank, rows, nothing, blank, lengths_of_ended, torch.ones_like(slots)),
        )
        return start

    def _step(
        self, words: Tensor, n_rows: int, n_known: int, n_positions: int, n_beams: int
    ) -> Tensor:
        """One token more of each hypothesis; gives whether a window is open."""
        beam, network = self._beam, self._network
        words = words.view(n_rows, _N_INTS).long()
        step, lengths = words[:1, 0], words[:, 2]
        side = self._side(1 - step % 2, n_rows, n_beams)
        device = words.device
        mine = WIDTHS[-1] * torch.arange(n_rows, device=device)[:, None]
        mine = (mine + torch.arange(n_beams, device=device)).reshape(-1)
        position = (lengths + step - 1)[:, None].expand(-1, n_beams).reshape(-1)
        newest = (step - 1).expand(n_rows, n_beams)[..., None]
        tokens = side.tokens.gather(2, newest).view(-1, 1)
        rows = side.rows.flatten(0, 1).scatter(1, position[:, None], mine[:, None])
        order = torch.arange(n_known, device=device)
        seen = (order <= position[:, None])[:, None, None]

        def own(at: int, attention: Any, x: Tensor) -> Tensor:
            keys, values = beam.own[at]
            keys[mine, position] = attention.k_proj(x)[:, 0]
            values[mine, position] = attention.v_proj(x)[:, 0]
            places = rows[:, :n_known]
            return network.attended(attention, x, keys[places, order], values[places, order], seen)

        last = network.decoded(tokens, position[:, None], own, self._cross(n_rows, n_positions))
        side = replace(side, rows=rows.view_as(side.rows))
        return self._select(step, network.logits(last).view(n_rows, n_beams, -1), side)

    def _outcome(self, words: Tensor, n_rows: int, n_beams: int) -> Tensor:
        """Of each window and hypothesis: score, length, tokens; 32-bit words."""
        step = words.view(n_rows, _N_INTS)[:1, 0].long()
        side = self._side(step % 2, n_rows, n_beams)
        scores = side.ended_scores.view(torch.int32)[..., None]
        lengths = side.ended_lengths.int()[..., None]
        return torch.cat((scores, lengths, side.ended_tokens.int()), dim=-1)

    def _cross(self, n_rows: int, n_positions: int) -> Attend:
        """Attention to the sound; the hypotheses of a window share its keys."""

        def cross(at: int, attention: Any, x: Tensor) -> Tensor:
            keys, values = self._beam.cross[at][:, :n_rows, :n_positions]
            together = x.reshape(n_rows, -1, x.shape[-1])
            return self._network.attended(attention, together, keys, values, None).view_as(x)

        return cross

    def _side(self, side: Tensor, n_rows: int, n_beams: int) -> _Side:
        beam = self._beam

        def of(memory: Tensor) -> Tensor:
            return memory.index_select(0, side)[0, :n_rows, :n_beams]

        return _Side(
            of(beam.scores),
            of(beam.tokens),
            of(beam.rows),
            of(beam.ended_scores),
            of(beam.ended_tokens),
            of(beam.ended_lengths),
            beam.is_open.index_select(0, side)[0, :n_rows],
        )

    def _select(self, step: Tensor, logits: Tensor, side: _Side) -> Tensor:
        """Which hypotheses go on with which token, and which end; written to the other side.

        Args:
            step: `[1]`.
            logits: `[B, W, V]`.
            side: what was before.
        """
        n_rows, n_beams, n_tokens = logits.shape
        logprobs = logits.masked_fill(self._closed, -torch.inf).log_softmax(-1)
        scores, places = (side.scores[..., None] + logprobs).flatten(1).topk(2 * n_beams)
        parents, chosen = places // n_tokens, places % n_tokens
        ends = chosen == self._end
        wide = parents[..., None].expand(-1, -1, side.tokens.shape[-1])
        newest = step.expand(n_rows, 2 * n_beams)[..., None]
        tokens = side.tokens.gather(1, wide).scatter(2, newest, chosen[..., None])

        # Only the likeliest may end: the others are there to fill up what goes on.
        first = torch.arange(2 * n_beams, device=logits.device) < n_beams
        may_end = ends & first & (side.is_open[:, None] > 0)
        merged = torch.cat((side.ended_scores, scores.masked_fill(~may_end, _NEVER)), dim=1)
        lengths = torch.where(may_end, step, -1)
        ended_scores, kept = merged.topk(n_beams)
        ended_lengths = torch.cat((side.ended_lengths, lengths), dim=1).gather(1, kept)
        all_tokens = torch.cat((side.ended_tokens, tokens), dim=1)
        wide_kept = kept[..., None].expand(-1, -1, tokens.shape[-1])

        going, which = (scores + _NEVER * ends).topk(n_beams)
        wide_which = which[..., None].expand(-1, -1, tokens.shape[-1])
        worst = torch.where(ended_lengths >= 0, ended_scores.amin(1, keepdim=True), _NEVER)
        may_improve = (going[:, :1] > worst).any(1)
        is_open = side.is_open * may_improve
        beam = self._beam
        other = step % 2
        for memory, values in (
            (beam.scores, going),
            (beam.tokens, tokens.gather(1, wide_which)),
            (beam.rows, side.rows.gather(1, wide.gather(1, wide_which))),
            (beam.ended_scores, ended_scores),
            (beam.ended_tokens, all_tokens.gather(1, wide_kept)),
            (beam.ended_lengths, ended_lengths),
        ):
            memory[other, :n_rows, :n_beams] = values[None]
        beam.is_open[other, :n_rows] = is_open[None]
        return is_open


@dataclass(frozen=True)
class _Side:
    """See `_Beam`; of as many windows and hypotheses as there are."""

    scores: Tensor
    tokens: Tensor
    rows: Tensor
    ended_scores: Tensor
    ended_tokens: Tensor
    ended_lengths: Tensor
    is_open: Tensor


def _found(ended: Any, no_speech: Any, budget: int, width: int) -> Found:
    hypotheses = [
        Ended(tuple(row[2 : 2 + row[1]].tolist()), float(row[:1].view(np.float32)[0]))
        for row in np.ascontiguousarray(ended)
        if 0 <= row[1] < budget
    ]
    likeliest = sorted(hypotheses, key=lambda each: -each.logprob)
    return Found(tuple(likeliest[:width]), float(no_speech))
