"""The weights of Moonshine's encoder, by name.

Products are `<layer>.self.{q,k,v,o}` and `<layer>.mlp.{wide,narrow}`; gains `<layer>.{self,mlp}`
and `last`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamer.models.moonshine.decoder_weights import Product, bias, gain, matrix
from streamer.models.moonshine.tokenizer import N_LAYERS
from streamer.models.onnx.graph_builder import Array
from streamer.models.onnx.ort_file import ShippedGraph


@dataclass(frozen=True, eq=False)
class Convolution:
    """`kernel [out, in, K]`, `bias [out]`."""

    kernel: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Layers:
    """See above."""

    products: Mapping[str, Product]
    gains: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class EncoderWeights:
    """`first [D, 1, 127]`: the kernel of the first convolution, which has no bias; `norm_gain`,
    `norm_shift [D]`: of the group norm behind it."""

    first: Array
    norm_gain: Array
    norm_shift: Array
    second: Convolution
    third: Convolution
    layers: Layers

    @classmethod
    def read(cls, shipped: ShippedGraph) -> EncoderWeights:
        """
        Raises:
            GraphFormatError: the shipped file is not the expected one.
        """

        def convolution(name: str) -> Convolution:
            return Convolution(
                shipped.weight(f"{name}.weight_add_tensor"), shipped.weight(f"{name}.bias")
            )

        scale = shipped.node("/groupnorm/Mul_output_0", "Mul").inputs[1]
        shift = shipped.node("/groupnorm/Add_output_0", "Add").inputs[1]
        return cls(
            shipped.weight("conv1.weight_add_tensor"),
            shipped.weight(scale).reshape(-1),
            shipped.weight(shift).reshape(-1),
            convolution("conv2"),
            convolution("conv3"),
            _layers(shipped),
        )


@dataclass(frozen=True, eq=False)
class WindowedEncoderWeights:
    """Of a streaming encoder, and of what lies between it and the decoder.

    `compression`: the factor in front of the inverse hyperbolic sine; `frames [80, D]`: what
    windows of 5 ms are multiplied by; `positions [P, D]`, and `projection`, None if encoder and
    decoder are of one width.
    """

    compression: float
    frames: Array
    first: Convolution
    second: Convolution
    layers: Layers
    positions: Array
    projection: Product | None


def _layers(shipped: ShippedGraph) -> Layers:
    products, gains = {}, {}
    for layer in range(N_LAYERS):
        at = f"/layers.{layer}"
        for part in "qkvo":
            output = f"{at}/self_attn/{part}_proj/MatMul_output_0"
            products[f"{layer}.self.{part}"] = Product(matrix(shipped, output))
        for name, theirs in (("wide", "fc1"), ("narrow", "fc2")):
            output = f"{at}/mlp/{theirs}/Add_output_0"
            made = Product(matrix(shipped, output), bias(shipped, output))
            products[f"{layer}.mlp.{name}"] = made
        for name, theirs in (("self", "input_layernorm"), ("mlp", "post_attention_layernorm")):
            gains[f"{layer}.{name}"] = gain(shipped, f"{at}/{theirs}/LayerNormalization_output_0")
    gains["last"] = gain(shipped, "last_hidden_state", 2)
    return Layers(products, gains)
