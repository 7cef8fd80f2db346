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

from streamer.models.card.layers import attend, layer_norm, rotated, turns
from streamer.models.moonshine.config import TINY
from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.onnx.lora import DOWN, UP
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
            self.layers[_key(name)] = TunedLinear(weight, bias, tuned)
        for name, gain in shipped.gains.items():
            self.register_buffer(f"gain/{_key(name)}", torch.from_numpy(np.array(gain)))
        self.register_buffer("embedding", torch.from_numpy(shipped.embedding.values()))

    def forward(self, tokens: Tensor, states: Tensor, heard: Tensor) -> Tensor:
        """Logits `[B, T, V]`.

        Args:
            tokens: `[B, T]`.
            states: `[B, S, 288]`, encoded sound.
            heard: `[B, S]`, which of the states are real.
        """
        x = self.get_buffer("embedding")[tokens]
        places = torch.arange(tokens.shape[1])[None]
        n_heads = TINY.decoder.n_heads
        turn, before = turns(places, TINY), (places[..., None] >= places[:, None])[:, None]
        for layer in range(TINY.decoder.n_layers):
            normed = self._norm(x, f"{layer}.self")
            q, k, v = (self._linear(f"{layer}.self.{part}", normed) for part in "qkv")
            q, k = rotated(q, turn, n_heads), rotated(k, turn, n_heads)
            mixed, _ = attend(q, k, v, before, n_heads)
            x = x + self._linear(f"{layer}.self.o", mixed)
            q = self._linear(f"{layer}.cross.q", self._norm(x, f"{layer}.cross"))
            k, v = (self._linear(f"{layer}.cross.{part}", states) for part in "kv")
            mixed, _ = attend(q, k, v, heard[:, None, None], n_heads)
            x = x + self._linear(f"{layer}.cross.o", mixed)
            wide = self._linear(f"{layer}.mlp.wide", self._norm(x, f"{layer}.mlp"))
            hidden, gate = wide.chunk(2, dim=-1)
            x = x + self._linear(f"{layer}.mlp.narrow", hidden * functional.silu(gate))
        return self._linear("logits", self._norm(x, "last"))

    def updates(self) -> dict[str, Tensor]:
        """The learned matrices, as `streamer.models.onnx.lora` has them."""
        found = {}
        for name, linear in self.layers.items():
            assert isinstance(linear, TunedLinear)
            if len(linear.down):
                dotted = name.replace("/", ".")
                found[f"{dotted}{DOWN}"] = linear.down.detach().clone()
                found[f"{dotted}{UP}"] = linear.up.detach().clone()
        return found

    def _linear(self, name: str, x: Tensor) -> Tensor:
        made: Tensor = self.layers[_key(name)](x)
        return made

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return layer_norm(x, self.get_buffer(f"gain/{_key(name)}"))


def _key(name: str) -> str:
    """PyTorch takes no points in names."""
    return name.replace(".", "/")
