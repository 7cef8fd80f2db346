"""Gemma 3 on ONNX Runtime, made for scoring hypotheses: see `gemma_graph`.

Each token is computed once, whatever number of hypotheses it belongs to (`token_tree`),
and the vocabulary is gone through only where hypotheses differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.token_tree import TokenTree, align
from streamer.models.onnx.runtime import open_session

BODY_FILE: Final = "body.onnx"
HEAD_FILE: Final = "head.onnx"
EMBEDDING_FILE: Final = "embedding.npy"
SHORTLIST_FILE: Final = "shortlist.npy"
SETTINGS_FILE: Final = "gemma.json"
GRAPH_VERSION: Final = "graphs-5"
"""Changes with what `streamer.models.llm.gemma_graph` writes, so that caches are built anew."""

_HEAD_ROWS: Final = 32
"""Positions that go through the vocabulary at once; bounds the memory of their logits."""
_CLOSED: Final = np.float32(-1e30)


@dataclass(frozen=True)
class GemmaSettings:
    """What a folder of graphs says about itself."""

    bos: int
    n_layers: int
    head_dim: int
    embedding_scale: float
    """The embedding is stored as the body wants it; divided by this it is the head's."""


def cache_names(prefix: str, n_layers: int) -> list[str]:
    """Names of key and value tensors in the body: `past.0.key`, `past.0.value`, …"""
    return [f"{prefix}.{layer}.{part}" for layer in range(n_layers) for part in ("key", "value")]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A request's nodes: for each row, the path whose end predicts its first scored token."""

    request: LlmTokenRequest
    tree: TokenTree
    predicting: list[list[int]]
    """For each row and each of its scored tokens, the node before it."""
    used: set[int]


class Gemma:
    """A `streamer.models.llm.contract.LanguageModel`. Safe for calls from several threads."""

    together = 8
    """A bigger pass would keep those behind it waiting."""
    waits = False

    def __init__(self, folder: Path, *, threads: int, device: str = "cpu") -> None:
        """Open graphs that `streamer.models.llm.gemma_graph.build_graphs` wrote."""
        settings = GemmaSettings(**json.loads((folder / SETTINGS_FILE).read_text()))
        self.bos = settings.bos
        self._settings = settings
        self._past_names = cache_names("past", settings.n_layers)
        # Only rows of tokens that occur are ever read: the rest stays on the disk.
        self._embedding = np.load(folder / EMBEDDING_FILE, mmap_mode="r")
        self._shortlist = np.load(folder / SHORTLIST_FILE)
        self._body = open_session(folder / BODY_FILE, threads=threads, device=device)
        self._head = open_session(folder / HEAD_FILE, threads=threads, device=device)

    def new_cache(self) -> TokenTree:
        settings = self._settings
        hidden_size = self._embedding.shape[1]
        return TokenTree(2 * settings.n_layers, settings.head_dim, hidden_size)

    def check_room(self) -> None:
        """Memory is taken as contexts grow."""

    def logprobs(self, requests: Sequence[LlmTokenRequest]) -> list[list[float]]:
        """See `streamer.models.llm.contract.LanguageModel`."""
        planned = [_plan(request) for request in requests]
        growing = [plan for plan in planned if plan.tree.planned]
        if growing:
            self._grow(growing)
        self._normalize(planned)
        answers = [self._answer(plan) for plan in planned]
        for plan in planned:
            plan.tree.keep(plan.used)
        return answers

    def _grow(self, growing: Sequence[_Planned]) -> None:
        """Run the planned nodes of all trees through the body."""
        trees = [plan.tree for plan in growing]
        sizes = [len(tree.planned) for tree in trees]
        starts = np.cumsum([0, *sizes])
        # Sums over more keys round otherwise, unless the additional ones are zeros in whole
        # blocks of the kernels: so what shares the pass changes no bit of a session's values.
        n_past = align(max(tree.n_known for tree in trees))
        n_new = max(sizes)
        slots = np.zeros((len(trees), align(n_new)), np.int64)
        mask = np.full((len(trees), n_new, 1, n_past + align(n_new)), _CLOSED, np.float32)
        for row, tree in enumerate(trees):
            slots[row, : sizes[row]] = np.arange(starts[row], starts[row + 1])
            bias = np.where(tree.attention(), np.float32(0), _CLOSED)
            soft_prompt = growing[row].request.soft_prompt
            if soft_prompt is not None:
                soft = np.array(tree.tokens) < 0
                bias += soft_prompt.attention_bias * (
                    soft[None, :] & ~soft[tree.planned.start :, None]
                )
            mask[row, : sizes[row], 0, : tree.n_known] = bias[:, : tree.n_known]
            mask[row, : sizes[row], 0, n_past : n_past + sizes[row]] = bias[:, tree.n_known :]
        depths = [tree.depths[node] for tree in trees for node in tree.planned]
        back = [row * n_new + i for row, size in enumerate(sizes) for i in range(size)]
        feed: dict[str, Any] = {
            "embedded": np.concatenate([tree.embedded(self._embedding) for tree in trees]),
            "positions": np.array(depths, np.int64)[:, None],
            "slots": slots[:, :n_new],
            "key_slots": slots,
            "back": np.array(back, np.int64),
            "mask": mask,
            **dict(zip(self._past_names, _together(trees, n_past), strict=True)),
        }
        hidden, *states = self._body.run(None, feed)
        for tree, start, end in zip(trees, starts, starts[1:], strict=False):
            tree.fill(np.stack([state[start:end] for state in states]), hidden[start:end])

    def _normalize(self, planned: Sequence[_Planned]) -> None:
        """Sum over the vocabulary at the nodes that need it and do not have it yet."""
        asked = []
        for plan in planned:
            nodes = sorted({node for path in plan.predicting for node in path})
            missing = np.isnan(plan.tree.normalizers(nodes))
            asked.append([node for node, lacks in zip(nodes, missing, strict=True) if lacks])
        hidden = np.concatenate(
            [plan.tree.hidden(nodes) for plan, nodes in zip(planned, asked, strict=True)]
        )
        found = [
            self._head.run(None, {"hidden": hidden[at : at + _HEAD_ROWS]})[0]
            for at in range(0, len(hidden), _HEAD_ROWS)
        ]
        values = np.concatenate(found) if found else np.empty(0, np.float32)
        for plan, nodes in zip(planned, asked, strict=True):
            plan.tree.set_normalizers(nodes, values[: len(nodes)])
            values = values[len(nodes) :]

    def _answer(self, plan: _Planned) -> list[float]:
        answers = []
        for row, path in zip(plan.request.rows, plan.predicting, strict=True):
            scored = row[len(row) - len(path) :]
            following = self._embedding[scored].astype(np.float32)
            logits = (plan.tree.hidden(path) * following).sum(axis=1)
            logits /= self._settings.embedding_scale
            normalizers = plan.tree.normalizers(path)
            # A token that is not on the shortlist joins it where it occurs.
            joined = np.logaddexp(normalizers, logits)
            normalizers = np.where(self._shortlist[scored], normalizers, joined)
            answers.append(float((logits - normalizers).sum()))
        return answers


def _plan(request: LlmTokenRequest) -> _Planned:
    tree: TokenTree = request.cache
    tree.forget_planned()
    used: set[int] = set()
    predicting = []
    before = list(request.context)
    if request.soft_prompt is not None:
        before[-1:-1] = tree.give(request.soft_prompt.rows)
    for row in request.rows:
        path = tree.plan([*before, *row[:-1]]) if len(row) > request.shared else []
        used.update(path)
        predicting.append(path[len(before) + request.shared - 1 :])
    return _Planned(request, tree, predicting, used)


def _together(trees: Sequence[TokenTree], n_past: int) -> Sequence[Floats]:
    """The states of all trees, each `[B, n_past, size]`."""
    if len(trees) == 1:
        return [state[None] for state in trees[0].aligned_states]
    n_states, _, size = trees[0].states.shape
    together = np.zeros((n_states, len(trees), n_past, size), np.float32)
    for row, tree in enumerate(trees):
        together[:, row, : tree.n_known] = tree.states
    return list(together)
