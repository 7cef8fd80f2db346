"""The draft decoder in PyTorch: frozen, with low-rank updates to learn (LoRA: Hu et al., 2021).

The same computation as the graph of `streamer.models.moonshine.graph.build_step`, on whole
sequences, with the shipped weights widened to float32.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.moonshine.graph import D_MLP, D_MODEL, ROTARY_BASE, ROTARY_DIM
from streamer.models.moonshine.tokenizer import HEAD_DIM, N_HEADS, N_LAYERS
from streamer.models.onnx.ort_file import ShippedGraph

UNTUNED: Final = (".cross.k", ".cross.v", "logits")
"""Products that stay: the first two belong to the encoder's graph, the last is large."""


class TunedLinear(nn.Module):
    """A frozen matrix with a low-rank update, which begins as nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rank: int) -> None:
        """`weight [out, in]`; `rank` 0 leaves the update out."""
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1]) / math.sqrt(weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, x: Tensor) -> Tensor:
        plain = functional.linear(x, self.get_buffer("weight"), self.bias)  # type: ignore[arg-type]
        return plain + functional.linear(functional.linear(x, self.down), self.up)


class TunedDecoder(nn.Module):
    """What follows each token, given the sound."""

    def __init__(self, decoder: Path, rank: int) -> None:
        """`decoder`: the shipped file."""
        super().__init__()
        shipped = DecoderWeights.read(ShippedGraph(decoder))
        self.layers = nn.ModuleDict()
        for name, product in shipped.products.items():
            weight = torch.from_numpy(product.weight.values().T.copy())
            bias = None if product.bias is None else torch.from_numpy(np.array(product.bias))
            tuned = 0 if name.endswith(UNTUNED) else rank
            self.layers[name.replace(".", "/")] = TunedLinear(weight, bias, tuned)
        for name, gain in shipped.gains.items():
            self.register_buffer(f"gain/{name}".replace(".", "/"), torch.from_numpy(np.array(gain)))
        self.register_buffer("embedding", torch.from_numpy(shipped.embedding.values()))

    def forward(self, tokens: Tensor, states: Tensor, heard: Tensor) -> Tensor:
        """Logits `[B, T, V]`.

        Args:
            tokens: `[B, T]`.
            states: `[B, S, 288]`, encoded sound.
            heard: `[B, S]`, which of the states are real.
        """
        x = self.get_buffer("embedding")[tokens]
        length = tokens.shape[1]
        places = torch.arange(length)
        rate = ROTARY_BASE ** -(torch.arange(0, ROTARY_DIM, 2, dtype=torch.float64) / ROTARY_DIM)
        angles = torch.outer(places.double(), rate)
        turn = angles.cos().float(), angles.sin().float()
        for layer in range(N_LAYERS):
            normed = self._norm(x, f"{layer}/self")
            q, k, v = (self._heads(self._linear(f"{layer}.self.{p}", normed)) for p in "qkv")
            mixed = functional.scaled_dot_product_attention(
                _rotated(q, *turn), _rotated(k, *turn), v, is_causal=True
            )
            x = x + self._linear(f"{layer}.self.o", self._merged(mixed))
            normed = self._norm(x, f"{layer}/cross")
            q = self._heads(self._linear(f"{layer}.cross.q", normed))
            k, v = (self._heads(self._linear(f"{layer}.cross.{p}", states)) for p in "kv")
            mixed = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=heard[:, None, None, :]
            )
            x = x + self._linear(f"{layer}.cross.o", self._merged(mixed))
            normed = self._norm(x, f"{layer}/mlp")
            hidden, gate = torch.split(self._linear(f"{layer}.mlp.wide", normed), D_MLP, dim=-1)
            x = x + self._linear(f"{layer}.mlp.narrow", hidden * functional.silu(gate))
        return self._linear("logits", self._norm(x, "last"))

    def updates(self) -> dict[str, Tensor]:
        """The learned matrices, `<product>.lora_a [r, in]` and `<product>.lora_b [out, r]`."""
        found = {}
        for name, linear in self.layers.items():
            assert isinstance(linear, TunedLinear)
            if len(linear.down):
                dotted = name.replace("/", ".")
                found[f"{dotted}.lora_a"] = linear.down.detach().clone()
                found[f"{dotted}.lora_b"] = linear.up.detach().clone()
        return found

    def _linear(self, name: str, x: Tensor) -> Tensor:
        made: Tensor = self.layers[name.replace(".", "/")](x)
        return made

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (D_MODEL,), self.get_buffer(f"gain/{name}"))

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], N_HEADS, HEAD_DIM).transpose(1, 2)

    def _merged(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on the first dimensions of `x [B, H, T, D]`, neighbours paired."""
    turned, rest = x[..., :ROTARY_DIM], x[..., ROTARY_DIM:]
    even, odd = turned[..., ::2], turned[..., 1::2]
    pairs = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
    return torch.cat((pairs.flatten(-2), rest), dim=-1)
