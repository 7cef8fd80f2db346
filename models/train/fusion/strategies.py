"""Ways to fuse modalities into one, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.models.train.fusion.modalities import StrategyName

_CLOSED: Final = -1e9


@dataclass(frozen=True)
class Part:
    """A modality or a stage's result: `x [B, S, H]`, `mask [B, S]`."""

    x: Tensor
    mask: Tensor
    timed: bool
    """False: one vector for all steps, S = 1."""


class Strategy(nn.Module):
    """Fuses parts into one.

    `forward(parts, query)` gives the fused part and the `weights [B, S, len(parts)]`, which sum to
    1 where the fused mask is set. `query` is what cross-attention asks with; others ignore it.
    """

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in range(n_parts))
        self.scale = 1 / math.sqrt(width)

    def forward(self, parts: Sequence[Part], query: Part | None) -> tuple[Part, Tensor]:
        x, present = _on_one_grid(parts)
        x = torch.stack([w(x[:, :, m]) for m, w in enumerate(self.project)], dim=2)
        weights = self.weigh(x, present)
        fused = (weights.unsqueeze(-1) * x).sum(dim=2)
        return Part(fused, present.any(dim=2), timed=True), weights

    def weigh(self, x: Tensor, present: Tensor) -> Tensor:
        """Weights [B, S, M] of projected parts `x [B, S, M, H]`; 0 for those not `present`."""
        raise NotImplementedError


class Weighted(Strategy):
    """F = Σ wₘ·Wₘxₘ with one learned weight a part."""

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__(n_parts, width)
        self.logits = nn.Parameter(torch.zeros(n_parts))

    def weigh(self, x: Tensor, present: Tensor) -> Tensor:
        return masked_softmax(self.logits.expand(present.shape), present)


class Attention(Strategy):
    """Each step's softmax over its parts, additive attention (Bahdanau et al., 2015)."""

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__(n_parts, width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, 1, bias=False)

    def weigh(self, x: Tensor, present: Tensor) -> Tensor:
        return masked_softmax(self.outer(self.inner(x).tanh()).squeeze(-1), present)


class Similarity(Strategy):
    """A part weighs more the more it agrees with the mean of all: softmax of dot products."""

    def weigh(self, x: Tensor, present: Tensor) -> Tensor:
        count = present.sum(dim=2, keepdim=True).clamp(min=1)
        mean = (x * present.unsqueeze(-1)).sum(dim=2) / count
        return masked_softmax((x * mean.unsqueeze(2)).sum(dim=-1) * self.scale, present)


class Concat(Strategy):
    """One matrix over all parts side by side; a learned vector says that a part is missing.

    Its weights tell each present part's share in the length of what is summed.
    """

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__(n_parts, width)
        self.missing = nn.Parameter(torch.zeros(n_parts, width))

    def forward(self, parts: Sequence[Part], query: Part | None) -> tuple[Part, Tensor]:
        x, present = _on_one_grid(parts)
        x = torch.where(present.unsqueeze(-1), x, self.missing)
        # The blocks of one matrix, so that each part's share can be told.
        x = torch.stack([w(x[:, :, m]) for m, w in enumerate(self.project)], dim=2)
        size = x.norm(dim=-1).clamp(min=1e-6) * present
        weights = size / size.sum(dim=2, keepdim=True).clamp(min=1e-6)
        return Part(x.sum(dim=2), present.any(dim=2), timed=True), weights


class CrossAttention(Strategy):
    """softmax(QKᵀ/√d)V: the query's rows ask all steps of all parts. One token for each row."""

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__(n_parts, width)
        self.query = nn.Linear(width, width)
        self.keys = nn.ModuleList(nn.Linear(width, width) for _ in range(n_parts))

    def forward(self, parts: Sequence[Part], query: Part | None) -> tuple[Part, Tensor]:
        if query is None:
            raise ValueError("cross-attention needs the modality 'text' to ask with")
        keys = torch.cat([k(part.x) for k, part in zip(self.keys, parts, strict=True)], dim=1)
        values = torch.cat([v(part.x) for v, part in zip(self.project, parts, strict=True)], dim=1)
        open_ = torch.cat([part.mask for part in parts], dim=1).unsqueeze(1)
        scores = self.query(query.x) @ keys.transpose(1, 2) * self.scale
        shares = masked_softmax(scores, open_.expand(scores.shape))
        mask = query.mask & open_.any(dim=2)
        sums, at = [], 0
        for part in parts:
            sums.append(shares[:, :, at : at + part.x.shape[1]].sum(dim=2))
            at += part.x.shape[1]
        return Part(shares @ values, mask, timed=True), torch.stack(sums, dim=2)


STRATEGIES: Final[Mapping[StrategyName, type[Strategy]]] = {
    "weighted": Weighted,
    "concat": Concat,
    "attention": Attention,
    "cross_attention": CrossAttention,
    "similarity": Similarity,
}


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of the last dimension over what the mask leaves; zeros where it leaves nothing."""
    closed = scores.masked_fill(~mask, _CLOSED)
    return closed.softmax(dim=-1) * mask


def _on_one_grid(parts: Sequence[Part]) -> tuple[Tensor, Tensor]:
    """All parts at each step: `[B, S, M, H]`, and which are present: `[B, S, M]`.

    Parts in time run side by side from their first step on. The others go with every step that
    has one of those, and with the first step alone if there is none.
    """
    # Room for all, one behind the other: the largest would not stay open in an exported graph.
    lengths = [part.x.shape[1] for part in parts if part.timed]
    steps = sum(lengths) if lengths else 1
    some = parts[0].x
    running = some.new_zeros(some.shape[0], steps, dtype=torch.bool)
    for part in parts:
        if part.timed:
            running = running | _longer(part, steps).mask
    first = torch.arange(steps, device=some.device) == 0
    running = running | (first & ~running.any(dim=1, keepdim=True))
    grid = [
        _longer(part, steps)
        if part.timed
        else Part(part.x.expand(-1, steps, -1), part.mask & running, timed=True)
        for part in parts
    ]
    x = torch.stack([part.x for part in grid], dim=2)
    return x, torch.stack([part.mask for part in grid], dim=2)


def _longer(part: Part, steps: int) -> Part:
    missing = steps - part.x.shape[1]
    x = functional.pad(part.x, (0, 0, 0, missing))
    return Part(x, functional.pad(part.mask, (0, missing)), part.timed)
