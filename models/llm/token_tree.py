"""What a language model has seen of one session: a tree of tokens with their keys and values.

Hypotheses share their beginnings with each other, with those asked before, and with the text
that is committed later; in the tree each such token is one node, computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats

ROOT: Final = -1
"""The parent of the first token."""
ALIGNMENT: Final = 128
"""States can be had in multiples of this, with zeros or forgotten values behind the known ones."""


def align(n_nodes: int) -> int:
    """The next multiple of `ALIGNMENT`."""
    return -(-n_nodes // ALIGNMENT) * ALIGNMENT


class TokenTree:
    """Nodes are numbered, parents before children. Those from `n_known` on are planned: they
    wait for the model's values."""

    def __init__(self, n_states: int, state_size: int, hidden_size: int) -> None:
        """
        Args:
            n_states: key and value tensors that a node has (two a layer).
            state_size: numbers in each.
        """
        self.n_known = 0
        self.tokens: list[int] = []
        self.depths: list[int] = []
        """Tokens before the node: its position."""
        self._given: dict[int, Floats] = {}
        self._next_given = -1
        self._parents: list[int] = []
        self._children: dict[tuple[int, int], int] = {}
        self._states = np.zeros((n_states, 0, state_size), np.float32)
        self._attends = np.empty((0, 0), np.bool_)
        self._hidden = np.empty((0, hidden_size), np.float32)
        self._normalizers = np.empty(0, np.float32)

    @property
    def planned(self) -> range:
        return range(self.n_known, len(self.tokens))

    @property
    def states(self) -> Floats:
        """Keys and values of the known nodes, `[n_states, n_known, state_size]`."""
        return self._states[:, : self.n_known]

    @property
    def aligned_states(self) -> Floats:
        """As `states`, but longer: `[n_states, align(n_known), state_size]`."""
        return self._states[:, : align(self.n_known)]

    def give(self, rows: Floats) -> list[int]:
        """Numbers, below 0, for rows `[S, D]` that stand where embedded tokens would; they are
        planned like tokens and are forgotten with their nodes."""
        numbers = range(self._next_given, self._next_given - len(rows), -1)
        self._given.update(zip(numbers, rows, strict=True))
        self._next_given -= len(rows)
        return list(numbers)

    def embedded(self, table: Floats) -> Floats:
        """The planned nodes as the model takes them, `[n_planned, D]`: rows of the `table` of
        tokens, or those that were given."""
        tokens = self.tokens[self.n_known :]
        rows = table[[max(token, 0) for token in tokens]].astype(np.float32)
        for row, token in enumerate(tokens):
            if token < 0:
                rows[row] = self._given[token]
        return rows

    def plan(self, tokens: Sequence[int]) -> list[int]:
        """The nodes of a path from the root; those that are missing are planned."""
        path = []
        node = ROOT
        for token in tokens:
            child = self._children.get((node, token))
            if child is None:
                child = len(self.tokens)
                self._children[node, token] = child
                self.tokens.append(token)
                self._parents.append(node)
                self.depths.append(0 if node == ROOT else self.depths[node] + 1)
            node = child
            path.append(node)
        return path

    def attention(self) -> npt.NDArray[np.bool_]:
        """Which nodes each planned one attends to, `[n_planned, n_known + n_planned]`."""
        total = len(self.tokens)
        attends = np.zeros((total, total), np.bool_)
        known = slice(self.n_known)
        attends[known, known] = self._attends[known, known]
        for node in self.planned:
            if self._parents[node] != ROOT:
                attends[node] = attends[self._parents[node]]
            attends[node, node] = True
        self._attends = attends
        return attends[self.n_known :]

    def fill(self, states: Floats, hidden: Floats) -> None:
        """Take the values of the planned nodes, `[n_states, n, state_size]` and `[n, hidden]`."""
        total = len(self.tokens)
        if total > self._states.shape[1]:
            n_states, capacity, size = self._states.shape
            grown = np.zeros((n_states, align(max(total, 2 * capacity)), size), np.float32)
            grown[:, : self.n_known] = self.states
            self._states = grown
        self._states[:, self.n_known : total] = states
        self._hidden = np.concatenate([self._hidden, hidden])
        unknown = np.full(len(hidden), np.nan, np.float32)
        self._normalizers = np.concatenate([self._normalizers, unknown])
        self.n_known = total

    def hidden(self, nodes: Sequence[int]) -> Floats:
        """Final hidden states `[len(nodes), hidden]`."""
        return self._hidden[nodes]

    def normalizers(self, nodes: Sequence[int]) -> Floats:
        """What `set_normalizers` was told, NaN for nodes that it was not told of."""
        return self._normalizers[nodes]

    def set_normalizers(self, nodes: Sequence[int], values: Floats) -> None:
        self._normalizers[nodes] = values

    def forget_planned(self) -> None:
        """Drop the nodes whose values never came: the pass failed."""
        if self.planned:
            self._keep(list(range(self.n_known)))

    def keep(self, nodes: set[int]) -> None:
        """Drop all other nodes. A node's ancestors must be kept with it."""
        if len(nodes) < len(self.tokens):
            self._keep(sorted(nodes))

    def _keep(self, kept: list[int]) -> None:
        renumbered = {old: new for new, old in enumerate(kept)}
        renumbered[ROOT] = ROOT
        first = next((new for new, old in enumerate(kept) if new != old), len(kept))
        self._states[:, first : len(kept)] = self._states[:, kept[first:]]
        self._hidden = self._hidden[kept]
        self._normalizers = self._normalizers[kept]
        self._attends = self._attends[np.ix_(kept, kept)]
        self.tokens = [self.tokens[old] for old in kept]
        self.depths = [self.depths[old] for old in kept]
        self._parents = [renumbered[self._parents[old]] for old in kept]
        self._given = {token: self._given[token] for token in self.tokens if token < 0}
        self._children = {
            (parent, token): node
            for node, (parent, token) in enumerate(zip(self._parents, self.tokens, strict=True))
        }
        self.n_known = len(kept)
