"""Sound and emotion as soft tokens: rows that stand in the LLM's input like embedded words.

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

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.models.train.fusion.modalities import (
    TEXT,
    Features,
    FusionLayerConfig,
    Modality,
    SoftTokens,
)
from streamer.models.train.fusion.strategies import STRATEGIES, Part, masked_softmax


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

    def forward(self, features: Features) -> Part:
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
        return Part(pooled, mask.any(dim=2), bool(self._block))


class _Rows(nn.Module):
    """Projects each row by itself: what cross-attention asks with. [B, N, d] -> [B, N, H]"""

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(modality.width)
        self.project = nn.Linear(modality.width, width)

    def forward(self, features: Features) -> Part:
        return Part(self.project(self.norm(features.values)), features.mask, timed=True)


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

    def _nothing(self, like: Tensor) -> Part:
        x = like.new_zeros(like.shape[0], 1, self.config.width)
        return Part(x, x.new_zeros(x.shape[:2], dtype=torch.bool), timed=False)

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


def _divided(weights: Tensor, before: Tensor) -> Tensor:
    """Weights `[B, S, 1 + n]` of a stage whose first part came from earlier ones, which got
    `before [B, S', m]`: `[B, S, m + n]`."""
    missing = weights.shape[1] - before.shape[1]
    before = functional.pad(before, (0, 0, 0, missing))
    return torch.cat([weights[:, :, :1] * before, weights[:, :, 1:]], dim=2)
