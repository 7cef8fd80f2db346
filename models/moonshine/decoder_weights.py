"""The weights of Moonshine's decoder, by name, out of the shipped file.

Products are `<layer>.self.{q,k,v,o}`, `<layer>.cross.{q,k,v,o}`, `<layer>.mlp.{wide,narrow}` and
`logits`; gains `<layer>.{self,cross,mlp}` and `last`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from streamer.models.moonshine.tokenizer import N_LAYERS
from streamer.models.onnx.graph_builder import Array, QuantizedWeight, Weight, quantized
from streamer.models.onnx.lora import Matrix, read_lora, updated
from streamer.models.onnx.ort_file import ShippedGraph

_GAINS: Final = {
    "self": "input_layernorm",
    "cross": "post_attention_layernorm",
    "mlp": "final_layernorm",
}
_ATTENTIONS: Final = {"self": "self_attn", "cross": "encoder_attn"}
_FEED_FORWARD: Final = {"wide": "fc1", "narrow": "fc2"}


@dataclass(frozen=True, eq=False)
class Product:
    """`x @ weight + bias`."""

    weight: Weight
    bias: Array | None = None


@dataclass(frozen=True, eq=False)
class DecoderWeights:
    """See above; and the `embedding [V, D]`: a shipped one has codes of any kind, one scale and one
    zero point."""

    products: Mapping[str, Product]
    gains: Mapping[str, Array]
    embedding: Weight

    @classmethod
    def read(cls, shipped: ShippedGraph, updates: Path | None = None) -> DecoderWeights:
        """
        Args:
            updates: safetensors file of low-rank updates, see `tuned`.

        Raises:
            GraphFormatError: the shipped file is not the expected one.
            LoraMismatchError: the updates cannot be read, or are another decoder's.
        """
        products, gains = {}, {}
        for layer in range(N_LAYERS):
            at = f"/model/decoder/layers.{layer}"
            for kind, theirs in _ATTENTIONS.items():
                for part in "qkvo":
                    output = f"{at}/{theirs}/{part}_proj/MatMul_output_0"
                    products[f"{layer}.{kind}.{part}"] = Product(matrix(shipped, output))
            for kind, theirs in _FEED_FORWARD.items():
                output = f"{at}/mlp/{theirs}/Add_output_0"
                made = Product(matrix(shipped, output), bias(shipped, output))
                products[f"{layer}.mlp.{kind}"] = made
            for kind, theirs in _GAINS.items():
                gains[f"{layer}.{kind}"] = gain(
                    shipped, f"{at}/{theirs}/LayerNormalization_output_0"
                )
        products["logits"] = Product(matrix(shipped, "logits"))
        gains["last"] = gain(shipped, "/model/decoder/norm/LayerNormalization_output_0")
        gather = shipped.node("/model/decoder/embed_tokens/Gather_output_0_quantized", "Gather")
        widened = shipped.node("/model/decoder/embed_tokens/Gather_output_0", "DequantizeLinear")
        names = (gather.inputs[0], *widened.inputs[1:])
        plain = cls(products, gains, QuantizedWeight(*(shipped.weight(name) for name in names)))
        return plain if updates is None else plain.tuned(read_lora(updates))

    def tuned(self, updates: Mapping[str, Matrix]) -> DecoderWeights:
        """With low-rank updates, see `streamer.models.onnx.lora`; in 8 bits again, with a scale for
        each column.

        Raises:
            LoraMismatchError: they were trained for another decoder.
        """
        wide = {name: product.weight.values().T for name, product in self.products.items()}
        products = dict(self.products)
        for name, weight in updated(wide, updates).items():
            products[name] = replace(products[name], weight=quantized(weight.T))
        return replace(self, products=products)


def matrix(shipped: ShippedGraph, output: str) -> QuantizedWeight:
    """The 8-bit weights of the product that gives `output`, as signed codes."""
    node = shipped.node(output, "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
    at = (1, 2, 3) if node.op_type == "DynamicQuantizeMatMul" else (1, 3, 5)
    codes, scale, zero = (shipped.weight(node.inputs[i]) for i in at)
    return QuantizedWeight(
        (codes.astype(np.int16) - 128).astype(np.int8),
        np.atleast_1d(scale),
        np.atleast_1d((zero.astype(np.int16) - 128).astype(np.int8)),
    )


def gain(shipped: ShippedGraph, output: str, index: int = 1) -> Array:
    """Of a layer norm."""
    node = shipped.node(output, "LayerNormalization", "SkipLayerNormalization")
    return shipped.weight(node.inputs[index])


def bias(shipped: ShippedGraph, output: str) -> Array:
    """Of a product."""
    return shipped.weight(shipped.node(output, "DynamicQuantizeMatMul").inputs[4])
