"""What the graphs of encoders and decoders have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from streamer.models.moonshine.config import MoonshineConfig, Stack, cache_names
from streamer.models.moonshine.decoder_weights import DecoderWeights, Product
from streamer.models.onnx.graph_builder import MICROSOFT, GraphBuilder, Weight, beside, tensor

MAX_POSITIONS: Final = 2_048


def rotary_tables(build: GraphBuilder, config: MoonshineConfig) -> None:
    """cos and sin of every position, each `[MAX_POSITIONS, rotated / 2]`."""
    angles = config.rotary_angles(MAX_POSITIONS)
    build.constant("rotary_cos", np.cos(angles).astype(np.float32))
    build.constant("rotary_sin", np.sin(angles).astype(np.float32))


def self_attention(
    build: GraphBuilder,
    x: str,
    weights: Sequence[Weight],
    layer: int,
    stack: Stack,
    *,
    rotary_dim: int = 0,
    mask: str | None = None,
) -> str:
    """Attention of `x [B, T, D]` to `past.<layer>` and itself; the layer's new keys and values
    become `new.<layer>.{key,value}`. Gives the merged heads.

    Args:
        rotary_dim: of a head's dimensions, as many as are turned by `positions`.
    """
    n_heads, head_dim = stack.n_heads, stack.head_dim
    flat = build.linear(x, beside(weights), f"{layer}/qkv")
    heads = build.heads(flat, 3 * n_heads, head_dim, f"{layer}/qkv/heads")
    build.split(heads, [f"{layer}/qk", f"new.{layer}.value"], [2 * n_heads, n_heads], axis=1)
    both = f"{layer}/qk"
    if rotary_dim:
        both = build.add(
            "RotaryEmbedding",
            [both, "positions", "rotary_cos", "rotary_sin"],
            f"{layer}/qk/rotated",
            MICROSOFT,
            interleaved=1,
            num_heads=2 * n_heads,
            rotary_embedding_dim=rotary_dim,
        )
    build.split(both, [f"{layer}/q", f"new.{layer}.key"], [n_heads, n_heads], axis=1)
    keys, values = (
        build.add(
            "Concat", [f"past.{layer}.{part}", f"new.{layer}.{part}"], f"{layer}/{part}s", axis=2
        )
        for part in ("key", "value")
    )
    scale = head_dim**-0.5
    merged, _ = build.attend(f"{layer}/q", keys, values, mask, scale, f"{layer}/self")
    return merged


def product(build: GraphBuilder, value: str, part: Product, output: str) -> str:
    return build.linear(value, part.weight, output, part.bias)


def cross_keys(
    build: GraphBuilder, decoder: DecoderWeights, states: str, config: MoonshineConfig
) -> None:
    """The keys and values that the decoder's layers make of the `states [B, F, D]`:
    `cross.<layer>.{key,value} [B, H, F, D]`."""
    stack = config.decoder
    for layer in range(stack.n_layers):
        weights = [decoder.products[f"{layer}.cross.{part}"].weight for part in "kv"]
        flat = build.linear(states, beside(weights), f"{layer}/cross")
        heads = build.heads(flat, 2 * stack.n_heads, stack.head_dim, f"{layer}/cross/heads")
        names = [f"cross.{layer}.{part}" for part in ("key", "value")]
        build.split(heads, names, [stack.n_heads, stack.n_heads], axis=1)


def cache_inputs(prefix: str, stack: Stack, batch: int | str, length: str) -> list[Any]:
    """Descriptions of a cache's tensors as inputs."""
    dims: list[int | str] = [batch, stack.n_heads, length, stack.head_dim]
    return [tensor(name, dims) for name in cache_names(prefix, stack)]
