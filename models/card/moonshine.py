"""Moonshine's weights, read from the shipped files, as tensors on a card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from streamer.models.card.device import Card
from streamer.models.card.layers import Attention, FeedForward
from streamer.models.moonshine.decoder_weights import DecoderWeights, bias, gain, matrix
from streamer.models.moonshine.tokenizer import N_LAYERS
from streamer.models.onnx.graph_builder import beside
from streamer.models.onnx.ort_file import ShippedGraph


@dataclass(frozen=True)
class EncoderTensors:
    """`first`, `second`: the convolutions of the stem, the second with the group norm's gain in it;
    `of_gain`, `of_shift [576]`: what the norm's mean and shift become behind the second."""

    first: Tensor
    second: Tensor
    of_gain: Tensor
    of_shift: Tensor
    third: Tensor
    third_bias: Tensor
    layers: tuple[tuple[Attention, FeedForward], ...]
    norm: Tensor
    cross: Tensor
    """Keys and values of all the decoder's layers in turn, `[D, 2 * layers * D]`."""


@dataclass(frozen=True)
class DecoderTensors:
    embedding: Tensor
    layers: tuple[tuple[Attention, Attention, FeedForward], ...]
    norm: Tensor
    logits: Tensor


class _EncoderReader:
    def __init__(self, shipped: ShippedGraph, card: Card) -> None:
        self._shipped, self._card = shipped, card

    def product(self, *outputs: str) -> Tensor:
        wide = beside([matrix(self._shipped, output) for output in outputs]).values()
        return self._card.place(wide)

    def norm(self, output: str, index: int = 1) -> Tensor:
        return self._card.place(gain(self._shipped, output, index))

    def layer(self, number: int) -> tuple[Attention, FeedForward]:
        at = f"/layers.{number}"
        up, down = (f"{at}/mlp/{name}/Add_output_0" for name in ("fc1", "fc2"))
        return (
            Attention(
                self.norm(f"{at}/input_layernorm/LayerNormalization_output_0"),
                self.product(*(f"{at}/self_attn/{p}_proj/MatMul_output_0" for p in "qkv")),
                self.product(f"{at}/self_attn/o_proj/MatMul_output_0"),
            ),
            FeedForward(
                self.norm(f"{at}/post_attention_layernorm/LayerNormalization_output_0"),
                self.product(up),
                self._card.place(bias(self._shipped, up)),
                self.product(down),
                self._card.place(bias(self._shipped, down)),
            ),
        )


def read_encoder(encoder: Path, decoder: Path, card: Card) -> EncoderTensors:
    """
    Args:
        encoder, decoder: `encoder_model.ort` and `decoder_model_merged.ort`.

    Raises:
        GraphFormatError: the files are not the expected ones.
        DeviceUnavailableError: the card's memory is too small.
    """
    shipped = ShippedGraph(encoder)
    reader = _EncoderReader(shipped, card)
    kernel = shipped.weight("conv2.weight_add_tensor")
    scale = shipped.weight(shipped.node("/groupnorm/Mul_output_0", "Mul").inputs[1])
    shift = shipped.weight(shipped.node("/groupnorm/Add_output_0", "Add").inputs[1])
    cross = [
        f"/model/decoder/layers.{layer}/encoder_attn/{part}_proj/MatMul_output_0"
        for layer in range(N_LAYERS)
        for part in "kv"
    ]
    exact = torch.float32
    return EncoderTensors(
        first=card.place(shipped.weight("conv1.weight_add_tensor"), exact),
        second=card.place(kernel * scale, exact),
        of_gain=card.place((kernel * scale).sum(axis=(1, 2)), exact),
        of_shift=card.place(
            (kernel * shift).sum(axis=(1, 2)) + shipped.weight("conv2.bias"), exact
        ),
        third=card.place(shipped.weight("conv3.weight_add_tensor")),
        third_bias=card.place(shipped.weight("conv3.bias")),
        layers=tuple(reader.layer(number) for number in range(N_LAYERS)),
        norm=reader.norm("last_hidden_state", 2),
        cross=_EncoderReader(ShippedGraph(decoder), card).product(*cross),
    )


def read_decoder(decoder: Path, card: Card, updates: Path | None = None) -> DecoderTensors:
    """As `read_encoder`, with `decoder_model_merged.ort`; `updates` as of `DecoderWeights.read`."""
    weights = DecoderWeights.read(ShippedGraph(decoder), updates)

    def product(*names: str) -> Tensor:
        return card.place(beside([weights.products[name].weight for name in names]).values())

    def attention(layer: int, kind: str, parts: str) -> Attention:
        at = f"{layer}.{kind}"
        return Attention(
            card.place(weights.gains[at]),
            product(*(f"{at}.{part}" for part in parts)),
            product(f"{at}.o"),
        )

    def feed_forward(layer: int) -> FeedForward:
        up, down = (weights.products[f"{layer}.mlp.{name}"] for name in ("wide", "narrow"))
        return FeedForward(
            card.place(weights.gains[f"{layer}.mlp"]),
            card.place(up.weight.values()),
            card.place(up.bias),
            card.place(down.weight.values()),
            card.place(down.bias),
        )

    return DecoderTensors(
        embedding=card.place(weights.embedding.values()),
        layers=tuple(
            (attention(layer, "self", "qkv"), attention(layer, "cross", "q"), feed_forward(layer))
            for layer in range(N_LAYERS)
        ),
        norm=card.place(weights.gains["last"]),
        logits=product("logits"),
    )
