"""Layers that the speech models share, as functions of tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamer.models.moonshine.config import MoonshineConfig


@dataclass(frozen=True)
class Attention:
    """`qkv [D, 3 H K]`: the three projections side by side, of heads of width K; or `q [D, H K]`
    alone, where keys and values are known."""

    norm: Tensor
    qkv: Tensor
    out: Tensor


@dataclass(frozen=True)
class FeedForward:
    norm: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor

    def run(self, x: Tensor, *, gated: bool = False) -> Tensor:
        """GELU, or half of it gated by the SiLU of the other."""
        hidden = layer_norm(x, self.norm) @ self.up + self.up_bias
        if gated:
            hidden, gate = hidden.chunk(2, dim=-1)
            hidden = functional.silu(gate) * hidden
        else:
            hidden = functional.gelu(hidden)
        return x + hidden @ self.down + self.down_bias


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.layer_norm(x, weight.shape, weight, bias, 1e-5)


def heads(flat: Tensor, n_heads: int) -> Tensor:
    """`[B, T, H D]` to `[B, H, T, D]`."""
    return flat.view(*flat.shape[:2], n_heads, -1).transpose(1, 2)


def turns(positions: Tensor, config: MoonshineConfig) -> tuple[Tensor, Tensor]:
    """Cosines and sines `[B, 1, T, rotated / 2]` of `positions [B, T]`."""
    rotary_dim = config.rotary_dim
    exponents = torch.arange(0, rotary_dim, 2, device=positions.device) / rotary_dim
    angles = positions[:, None, :, None] * config.rotary_base**-exponents
    return angles.cos(), angles.sin()


def rotated(flat: Tensor, turn: tuple[Tensor, Tensor], n_heads: int) -> Tensor:
    """Turn neighbouring pairs of each head's first channels, as many as there are angles; `flat
    [B, T, H D]`."""
    cos, sin = turn
    x = heads(flat, n_heads)
    n_turned = 2 * cos.shape[-1]
    pairs, rest = x[..., :n_turned].float(), x[..., n_turned:]
    even, odd = pairs[..., 0::2], pairs[..., 1::2]
    both = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
    whole = torch.cat((both.flatten(-2).to(x.dtype), rest), dim=-1)
    return whole.transpose(1, 2).flatten(2)


def attend(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, n_heads: int
) -> tuple[Tensor, Tensor]:
    """Each `[B, T or S, H D]`; `mask`, True where one attends, broadcasts to `[B, H, T, S]`. Gives
    the merged output and the weights, in float32."""
    asked = heads(query, n_heads)
    scores = (asked @ heads(keys, n_heads).transpose(-1, -2)).float() * asked.shape[-1] ** -0.5
    weights = scores.masked_fill(~mask, -1e9).softmax(dim=-1)
    mixed = weights.to(values.dtype) @ heads(values, n_heads)
    return mixed.transpose(1, 2).flatten(2), weights
