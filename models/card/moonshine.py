"""Moonshine's weights as tensors on a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamer.models.card.device import Card
from streamer.models.card.layers import Attention, FeedForward
from streamer.models.moonshine.config import MoonshineConfig
from streamer.models.moonshine.decoder_weights import DecoderWeights, Product
from streamer.models.moonshine.encoder_weights import (
    Convolution,
    EncoderWeights,
    Layers,
    WindowedEncoderWeights,
)
from streamer.models.onnx.graph_builder import Array, beside


@dataclass(frozen=True)
class EncoderTensors:
    """`first`, `second`: the convolutions of the stem, the second with the group norm's gain in it;
    `of_gain`, `of_shift [2 D]`: what the norm's mean and shift become behind the second."""

    first: Tensor
    second: Tensor
    of_gain: Tensor
    of_shift: Tensor
    third: Tensor
    third_bias: Tensor
    layers: tuple[tuple[Attention, FeedForward], ...]
    norm: Tensor
    cross: Tensor
    """Keys and values of all the decoder's layers in turn, `[D, 2 * layers * H K]`."""


@dataclass(frozen=True)
class WindowedTensors:
    """As of `WindowedEncoderWeights`; kernels and biases of both `convolutions`."""

    compression: float
    frames: Tensor
    convolutions: tuple[tuple[Tensor, Tensor], ...]
    layers: tuple[tuple[Attention, FeedForward], ...]
    norm: Tensor
    positions: Tensor
    cross: Tensor
    """As of `EncoderTensors`, behind the projection between encoder and decoder."""


@dataclass(frozen=True)
class DecoderTensors:
    embedding: Tensor
    layers: tuple[tuple[Attention, Attention, FeedForward], ...]
    norm: Tensor
    logits: Tensor


def place_encoder(
    weights: EncoderWeights, decoder: DecoderWeights, config: MoonshineConfig, card: Card
) -> EncoderTensors:
    """
    Raises:
        DeviceUnavailableError: the card's memory is too small.
    """
    kernel, exact = weights.second.kernel, torch.float32
    shift = (kernel * weights.norm_shift[:, None]).sum(axis=(1, 2)) + weights.second.bias
    scaled = kernel * weights.norm_gain[:, None]
    return EncoderTensors(
        first=card.place(weights.first, exact),
        second=card.place(scaled, exact),
        of_gain=card.place(scaled.sum(axis=(1, 2)), exact),
        of_shift=card.place(shift, exact),
        third=card.place(weights.third.kernel),
        third_bias=card.place(weights.third.bias),
        layers=_encoder_layers(weights.layers, config, card),
        norm=card.place(weights.layers.gains["last"]),
        cross=card.place(_cross(decoder, config)),
    )


def place_windowed(
    weights: WindowedEncoderWeights, decoder: DecoderWeights, config: MoonshineConfig, card: Card
) -> WindowedTensors:
    """As `place_encoder`."""

    def convolution(found: Convolution) -> tuple[Tensor, Tensor]:
        exact = torch.float32
        return card.place(found.kernel, exact), card.place(found.bias, exact)

    cross = _cross(decoder, config)
    if weights.projection is not None:
        cross = weights.projection.weight.values() @ cross
    return WindowedTensors(
        compression=weights.compression,
        frames=card.place(weights.frames, torch.float32),
        convolutions=(convolution(weights.first), convolution(weights.second)),
        layers=_encoder_layers(weights.layers, config, card),
        norm=card.place(weights.layers.gains["last"]),
        positions=card.place(weights.positions),
        cross=card.place(cross),
    )


def place_decoder(weights: DecoderWeights, config: MoonshineConfig, card: Card) -> DecoderTensors:
    """As `place_encoder`."""
    products, gains = weights.products, weights.gains
    return DecoderTensors(
        embedding=card.place(weights.embedding.values()),
        layers=tuple(
            (
                _attention(products, gains, f"{layer}.self", "qkv", card),
                _attention(products, gains, f"{layer}.cross", "q", card),
                _feed_forward(products, gains, f"{layer}.mlp", card),
            )
            for layer in range(config.decoder.n_layers)
        ),
        norm=card.place(gains["last"]),
        logits=card.place(products["logits"].weight.values()),
    )


def _encoder_layers(
    layers: Layers, config: MoonshineConfig, card: Card
) -> tuple[tuple[Attention, FeedForward], ...]:
    products, gains = layers.products, layers.gains
    return tuple(
        (
            _attention(products, gains, f"{layer}.self", "qkv", card),
            _feed_forward(products, gains, f"{layer}.mlp", card),
        )
        for layer in range(config.encoder.n_layers)
    )


def _attention(
    products: Mapping[str, Product], gains: Mapping[str, Array], at: str, parts: str, card: Card
) -> Attention:
    wide = beside([products[f"{at}.{part}"].weight for part in parts]).values()
    out = products[f"{at}.o"].weight.values()
    return Attention(card.place(gains[at]), card.place(wide), card.place(out))


def _feed_forward(
    products: Mapping[str, Product], gains: Mapping[str, Array], at: str, card: Card
) -> FeedForward:
    placed = []
    for name in ("wide", "narrow"):
        part = products[f"{at}.{name}"]
        placed += [card.place(part.weight.values()), card.place(part.bias)]
    return FeedForward(card.place(gains[at]), *placed)


def _cross(decoder: DecoderWeights, config: MoonshineConfig) -> Array:
    """See `EncoderTensors`."""
    names = [f"{layer}.cross.{part}" for layer in range(config.decoder.n_layers) for part in "kv"]
    return np.asarray(beside([decoder.products[name].weight for name in names]).values())
