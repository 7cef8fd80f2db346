"""What was heard, fused into soft tokens: rows that stand in the LLM's input like embedded words.

    name -> features [B, T, d] + mask  ->  pool and project  ->  stages of a strategy  ->  [B, S, D]

A modality is an entry of `FusionLayerConfig.modalities`; a further one needs no other code.
What is masked, a whole modality too, has no influence: the rest shares its weight. The weights
that each modality got come out beside the tokens.

Stages name what is fused together: one stage is the parallel arrangement, one modality a stage
the serial one, anything between a hybrid. Behind the first, a stage fuses its modalities with what
came out of the stage before.

torch is needed to train this; at run time `export` has made it a graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

StrategyName = Literal["weighted", "concat", "attention", "cross_attention", "similarity"]
TEXT: Final = "text"
"""The modality that asks, where the strategy is cross-attention."""
_CLOSED: Final = -1e9


@dataclass(frozen=True)
class Modality:
    """One source of features."""

    name: str
    width: int
    frames_per_token: int = 0
    """So many frames become a soft token. 0: the features are about the whole stretch of audio,
    and become one vector that goes with every token."""


AUDIO: Final = Modality("audio", 288, frames_per_token=8)
"""41.7 frames a second become 5.2 tokens."""
EMOTION: Final = Modality("emotion", 160)


@dataclass(frozen=True)
class FusionLayerConfig:
    modalities: tuple[Modality, ...] = (AUDIO, EMOTION)
    strategy: StrategyName = "weighted"
    stages: tuple[tuple[str, ...], ...] = (("audio", "emotion"),)
    """Names of modalities. Cross-attention asks with `text`, which stands in no stage there."""
    width: int = 160
    """Inside the layer."""
    token_width: int = 640
    """The LLM's; Gemma 3 270M has 640."""
    token_rms: float = 1.0
    """Size of an embedded word as the LLM's first layer sees it; where the tokens' size starts."""
    dropout: float = 0.1
    modality_dropout: float = 0.15
    """Share of training rows in which a modality is masked; never all of a row's."""

    def __post_init__(self) -> None:
        known = {modality.name for modality in self.modalities}
        used = [name for stage in self.stages for name in stage]
        if len(set(used)) != len(used) or not set(used) <= known:
            raise ValueError(f"stages {self.stages} must name each of {sorted(known)} once at most")
        if not self.stages or not all(self.stages):
            raise ValueError("there must be a stage, and each must name a modality")
        if self.strategy == "cross_attention" and (TEXT in used or TEXT not in known):
            raise ValueError("cross-attention asks with the modality 'text', outside the stages")


@dataclass(frozen=True)
class Features:
    """`values [B, T, d]`, and which frames there are: `mask [B, T]`, bool."""

    values: Tensor
    mask: Tensor


@dataclass(frozen=True)
class SoftTokens:
    """`tokens [B, S, D]`, which of them count: `mask [B, S]`, and the share of each modality of
    the stages, in their order, in each token: `weights [B, S, M]`; they sum to 1 where a token
    counts."""

    tokens: Tensor
    mask: Tensor
    weights: Tensor


@dataclass(frozen=True)
class _Part:
    """A modality or a stage's result: `x [B, S, H]`, `mask [B, S]`."""

    x: Tensor
    mask: Tensor
    timed: bool
    """False: one vector for all steps, S = 1."""


class _Pool(nn.Module):
    """Attentive pooling of frames, block by block or all at once. [B, T, d] -> [B, S, H]"""

    def __init__(self, modality: Modality, width: int, dropout: float) -> None:
        super().__init__()
        self._block = modality.frames_per_token
        self.norm = nn.LayerNorm(modality.width)
        self.project = nn.Linear(modality.width, width)
        self.place = nn.Parameter(torch.zeros(max(1, self._block), width))
        """Tells apart the frames of a block."""
        self.score = nn.Linear(width, 1)
        self.value = nn.Linear(width, width)
        self._dropout = dropout

    def forward(self, features: Features) -> _Part:
        x, mask = self.project(self.norm(features.values)), features.mask
        if self._block:
            spare = x.new_zeros(x.shape[0], self._block - 1, x.shape[2])
            n_tokens = (x.shape[1] + self._block - 1) // self._block
            x = torch.cat([x, spare], dim=1)[:, : n_tokens * self._block]
            closed = mask.new_zeros(mask.shape[0], self._block - 1)
            mask = torch.cat([mask, closed], dim=1)[:, : n_tokens * self._block]
            x = x.reshape(x.shape[0], -1, self._block, x.shape[2])
            mask = mask.reshape(mask.shape[0], -1, self._block)
        else:
            x, mask = x.unsqueeze(1), mask.unsqueeze(1)
        x = functional.gelu(x + self.place)
        x = functional.dropout(x, self._dropout, self.training)
        shares = masked_softmax(self.score(x).squeeze(-1), mask)
        pooled = (shares.unsqueeze(-1) * self.value(x)).sum(dim=2)
        return _Part(pooled, mask.any(dim=2), bool(self._block))


class _Rows(nn.Module):
    """Projects each row by itself: what cross-attention asks with. [B, N, d] -> [B, N, H]"""

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(modality.width)
        self.project = nn.Linear(modality.width, width)

    def forward(self, features: Features) -> _Part:
        return _Part(self.project(self.norm(features.values)), features.mask, timed=True)


class Strategy(nn.Module):
    """Fuses parts into one.

    `forward(parts, query)` gives the fused part and the `weights [B, S, len(parts)]`, which sum to
    1 where the fused mask is set. `query` is what cross-attention asks with; others ignore it.
    """

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in range(n_parts))
        self.scale = 1 / math.sqrt(width)

    def forward(self, parts: Sequence[_Part], query: _Part | None) -> tuple[_Part, Tensor]:
        x, present = _on_one_grid(parts)
        x = torch.stack([w(x[:, :, m]) for m, w in enumerate(self.project)], dim=2)
        weights = self.weigh(x, present)
        fused = (weights.unsqueeze(-1) * x).sum(dim=2)
        return _Part(fused, present.any(dim=2), timed=True), weights

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

    def forward(self, parts: Sequence[_Part], query: _Part | None) -> tuple[_Part, Tensor]:
        x, present = _on_one_grid(parts)
        x = torch.where(present.unsqueeze(-1), x, self.missing)
        # The blocks of one matrix, so that each part's share can be told.
        x = torch.stack([w(x[:, :, m]) for m, w in enumerate(self.project)], dim=2)
        size = x.norm(dim=-1).clamp(min=1e-6) * present
        weights = size / size.sum(dim=2, keepdim=True).clamp(min=1e-6)
        return _Part(x.sum(dim=2), present.any(dim=2), timed=True), weights


class CrossAttention(Strategy):
    """softmax(QKᵀ/√d)V: the query's rows ask all steps of all parts. One token for each row."""

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__(n_parts, width)
        self.query = nn.Linear(width, width)
        self.keys = nn.ModuleList(nn.Linear(width, width) for _ in range(n_parts))

    def forward(self, parts: Sequence[_Part], query: _Part | None) -> tuple[_Part, Tensor]:
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
        return _Part(shares @ values, mask, timed=True), torch.stack(sums, dim=2)


STRATEGIES: Final[Mapping[StrategyName, type[Strategy]]] = {
    "weighted": Weighted,
    "concat": Concat,
    "attention": Attention,
    "cross_attention": CrossAttention,
    "similarity": Similarity,
}


class FusionLayer(nn.Module):
    """Modalities to soft tokens; see the module."""

    def __init__(self, config: FusionLayerConfig) -> None:
        super().__init__()
        self.config = config
        strategy = STRATEGIES[config.strategy]
        asks = config.strategy == "cross_attention"
        used = {name for stage in config.stages for name in stage}
        self.encoders = nn.ModuleDict(
            {
                m.name: _Rows(m, config.width)
                if asks and m.name == TEXT
                else _Pool(m, config.width, config.dropout)
                for m in config.modalities
                if m.name in used or (asks and m.name == TEXT)
            }
        )
        self.strategies = nn.ModuleList(
            strategy(len(stage) + (index > 0), config.width)
            for index, stage in enumerate(config.stages)
        )
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, config.token_width)
        self.size = nn.Parameter(torch.tensor(config.token_rms))

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities of the stages, as `SoftTokens.weights` counts them."""
        return tuple(name for stage in self.config.stages for name in stage)

    def forward(self, modalities: Mapping[str, Features]) -> SoftTokens:
        """Fuse what there is.

        Args:
            modalities: by name, each with the same number of rows. One that is not there, and
                one whose mask is all False in a row, count as missing.

        Raises:
            ValueError: a name that the configuration does not know, or none at all.
        """
        unknown = set(modalities) - {modality.name for modality in self.config.modalities}
        if unknown or not modalities:
            raise ValueError(f"no such modalities: {sorted(unknown)}")
        given = self._drop(modalities) if self.training else modalities
        some = next(iter(given.values())).values
        parts = {
            name: encoder(given[name]) if name in given else self._nothing(some)
            for name, encoder in self.encoders.items()
        }
        query = parts.get(TEXT) if self.config.strategy == "cross_attention" else None
        stages = iter(zip(self.config.stages, self.strategies, strict=True))
        stage, strategy = next(stages)
        state, shares = strategy([parts[name] for name in stage], query)
        for stage, strategy in stages:
            asking = state if query is not None else None
            state, weights = strategy([state, *(parts[name] for name in stage)], asking)
            # What the earlier stages' result got is divided as it was there.
            shares = _divided(weights, shares)
        tokens = self.out(self.norm(state.x))
        scale = tokens.square().mean(dim=-1, keepdim=True).add(1e-6).rsqrt()
        return SoftTokens(tokens * scale * self.size, state.mask, shares)

    def _nothing(self, like: Tensor) -> _Part:
        x = like.new_zeros(like.shape[0], 1, self.config.width)
        return _Part(x, x.new_zeros(x.shape[:2], dtype=torch.bool), timed=False)

    def _drop(self, modalities: Mapping[str, Features]) -> dict[str, Features]:
        """Mask modalities of some rows at random, but leave each row one that it has."""
        names = [name for name in self.names if name in modalities]
        had = torch.stack([modalities[name].mask.any(dim=1) for name in names], dim=1)
        kept = had & (torch.rand(had.shape) >= self.config.modality_dropout)
        kept = torch.where(kept.any(dim=1, keepdim=True), kept, had)
        given = dict(modalities)
        for index, name in enumerate(names):
            features = modalities[name]
            mask = features.mask & kept[:, index : index + 1]
            given[name] = Features(features.values, mask)
        return given


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of the last dimension over what the mask leaves; zeros where it leaves nothing."""
    closed = scores.masked_fill(~mask, _CLOSED)
    return closed.softmax(dim=-1) * mask


def _on_one_grid(parts: Sequence[_Part]) -> tuple[Tensor, Tensor]:
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
        else _Part(part.x.expand(-1, steps, -1), part.mask & running, timed=True)
        for part in parts
    ]
    x = torch.stack([part.x for part in grid], dim=2)
    return x, torch.stack([part.mask for part in grid], dim=2)


def _longer(part: _Part, steps: int) -> _Part:
    missing = steps - part.x.shape[1]
    x = functional.pad(part.x, (0, 0, 0, missing))
    return _Part(x, functional.pad(part.mask, (0, missing)), part.timed)


def _divided(weights: Tensor, before: Tensor) -> Tensor:
    """Weights `[B, S, 1 + n]` of a stage whose first part came from earlier ones, which got
    `before [B, S', m]`: `[B, S, m + n]`."""
    missing = weights.shape[1] - before.shape[1]
    before = functional.pad(before, (0, 0, 0, missing))
    return torch.cat([weights[:, :, :1] * before, weights[:, :, 1:]], dim=2)
