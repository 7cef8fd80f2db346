"""The graphs of a Moonshine; the shipped one is rebuilt from the files of its package.

The shipped encoder starts anew on every window, and the shipped decoder is one merged graph of
1,800 nodes that hides its cross-attention and copies the audio's keys and values through every
call. Streaming needs neither. The 8-bit weights are kept to the bit, and three small ONNX graphs
are written:

* `stem.onnx`    new samples -> outputs of the second convolution, and the sums that normalize them
* `encode.onnx`  those -> encoder states of the newest frames behind the kept keys and values of
                 older ones, and the keys and values that the decoder's cross-attention wants
* `step.onnx`    tokens + caches -> most likely next tokens, grown caches, place in the audio: see
                 `decoder_graph`

The architecture is that of "Moonshine: Speech Recognition for Live Transcription and Voice
Commands" (Jeffries et al., 2024): three strided convolutions, a group norm over the whole window
behind the first; pre-norm layers, rotary positions on a part of a head's dimensions, a GELU
feed-forward.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto

from streamer.models.moonshine.config import TINY, MoonshineConfig, Stack, cache_names
from streamer.models.moonshine.decoder_graph import build_step
from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.moonshine.encoder_weights import EncoderWeights, Layers
from streamer.models.moonshine.graph_parts import (
    cache_inputs,
    cross_keys,
    product,
    rotary_tables,
    self_attention,
)
from streamer.models.moonshine.tokenizer import ENCODE_FILE, STEM_FILE, STEP_FILE
from streamer.models.onnx.graph_builder import (
    MICROSOFT,
    GraphBuilder,
    Products,
    tensor,
)
from streamer.models.onnx.ort_file import ShippedGraph


def build_stem(encoder: EncoderWeights, target: Path) -> None:
    """Write the graph of the first two convolutions.

    `samples [B, 192 (J - 1) + 511]` -> `bands [B, 2 D, J]`, the second convolution without what the
    group norm contributes, and `sums`, `squares [B, 3 J + 4]`, over the channels of the first one.
    The norm is affine and both convolutions are without padding, so it can be put in
    behind the second: conv(g (y - m) / s + b) = conv(g y) / s - m / s conv(g) + conv(b).
    """
    build = GraphBuilder("float")
    axis = build.constant("axis_1", np.array([1], np.int64))
    x = build.add("Unsqueeze", ["samples", axis], "mono")
    x = build.add("Conv", [x, build.constant("conv1", encoder.first)], "conv1/out", strides=[64])
    x = build.add("Tanh", [x], "tanh")
    build.add("ReduceSum", [x, axis], "sums", keepdims=0)
    build.add("ReduceSumSquare", [x, axis], "squares", keepdims=0)
    second = encoder.second.kernel * encoder.norm_gain[:, None]
    build.add("Conv", [x, build.constant("conv2", second)], "bands", strides=[3])
    outputs = dict.fromkeys(("bands", "sums", "squares"), TensorProto.FLOAT)
    build.save(target, [tensor("samples", ["B", "N"])], outputs)


def _features(build: GraphBuilder, encoder: EncoderWeights) -> str:
    """Norm, third convolution: `bands [B, 2 D, 2 F + 1]` -> [B, F, D]."""
    kernel, gain = encoder.second.kernel, encoder.norm_gain[:, None]
    of_gain = build.constant("conv2_of_gain", (kernel * gain).sum(axis=(1, 2))[None, :, None])
    of_shift = (kernel * encoder.norm_shift[:, None]).sum(axis=(1, 2)) + encoder.second.bias
    x = build.add("Mul", ["bands", "inverse_deviation"], "bands/scaled")
    offset = build.add("Mul", ["mean", "inverse_deviation"], "offset")
    offset = build.add("Mul", [of_gain, offset], "offset/of_gain")
    x = build.add("Sub", [x, offset], "bands/centred")
    x = build.add("Add", [x, build.constant("of_shift", of_shift[None, :, None])], "bands/normed")
    x = build.add("Gelu", [x], "bands/gelu", MICROSOFT)
    third = build.constant("conv3", encoder.third.kernel)
    bias = build.constant("conv3/bias", encoder.third.bias)
    x = build.add("Conv", [x, third, bias], "conv3/out", strides=[2])
    x = build.add("Gelu", [x], "conv3/gelu", MICROSOFT)
    return build.add("Transpose", [x], "features", perm=[0, 2, 1])


def encoder_layer(
    build: GraphBuilder,
    layers: Layers,
    layer: int,
    x: str,
    stack: Stack,
    *,
    rotary_dim: int = 0,
    mask: str | None = None,
) -> str:
    """Self-attention as of `self_attention`, and the feed-forward."""
    normed = build.layer_norm(x, layers.gains[f"{layer}.self"], f"{layer}/normed")
    weights = [layers.products[f"{layer}.self.{part}"].weight for part in "qkv"]
    mixed = self_attention(build, normed, weights, layer, stack, rotary_dim=rotary_dim, mask=mask)
    out = product(build, mixed, layers.products[f"{layer}.self.o"], f"{layer}/self/out")
    x = build.add("Add", [x, out], f"{layer}/after_self")
    normed = build.layer_norm(x, layers.gains[f"{layer}.mlp"], f"{layer}/mlp/normed")
    hidden = product(build, normed, layers.products[f"{layer}.mlp.wide"], f"{layer}/mlp/wide")
    hidden = build.add("Gelu", [hidden], f"{layer}/mlp/gelu", MICROSOFT)
    out = product(build, hidden, layers.products[f"{layer}.mlp.narrow"], f"{layer}/mlp/out")
    return build.add("Add", [x, out], f"{layer}/out")


def build_encode(
    encoder: EncoderWeights,
    decoder: DecoderWeights,
    target: Path,
    products: Products = "pass",
    config: MoonshineConfig = TINY,
) -> None:
    """Write the graph of the encoder's layers and the decoder's view of their output.

    Inputs: `bands [B, 2 D, 2 F + 1]`, `mean`, `inverse_deviation [B, 1, 1]`, `positions [B, F]`
    int64, `past.<layer>.{key,value} [B, H, P, D]`. Outputs: `states [B, F, D]`, and `new.…` and
    `cross.<layer>.{key,value} [B, H, F, D]`.
    """
    build = GraphBuilder(products)
    rotary_tables(build, config)
    stack = config.encoder
    x = _features(build, encoder)
    for layer in range(stack.n_layers):
        x = encoder_layer(build, encoder.layers, layer, x, stack, rotary_dim=config.rotated)
    states = build.layer_norm(x, encoder.layers.gains["last"], "states")
    cross_keys(build, decoder, states, config)
    one: list[int | str] = ["B", 1, 1]
    inputs = [
        tensor("bands", ["B", 2 * stack.d_model, "J"]),
        tensor("mean", one),
        tensor("inverse_deviation", one),
        tensor("positions", ["B", "F"], TensorProto.INT64),
        *cache_inputs("past", stack, "B", "P"),
    ]
    names = ["states", *cache_names("new", stack), *cache_names("cross", config.decoder)]
    build.save(target, inputs, dict.fromkeys(names, TensorProto.FLOAT))


def build_all(
    encoder: EncoderWeights,
    decoder: DecoderWeights,
    folder: Path,
    config: MoonshineConfig,
    *,
    integer: bool,
) -> None:
    """Write the three graphs into `folder`; `integer` as of `build_graphs`."""
    build_stem(encoder, folder / STEM_FILE)
    # The encoder sees one session at a time; the decoder must not mix those it sees together.
    build_encode(encoder, decoder, folder / ENCODE_FILE, "pass" if integer else "float", config)
    build_step(decoder, folder / STEP_FILE, "rows" if integer else "float", config)


def build_graphs(
    encoder: Path,
    decoder: Path,
    folder: Path,
    *,
    updates: Path | None = None,
    integer: bool = True,
) -> None:
    """Derive the graphs from the shipped files into `folder` (seconds).

    Args:
        updates: as of `DecoderWeights.read`.
        integer: 8-bit matrix products, for CPUs; otherwise float32 ones with the same weights.

    Raises:
        GraphFormatError: the files are not the expected ones.
        LoraMismatchError: the updates are another decoder's.
    """
    shipped_decoder = DecoderWeights.read(ShippedGraph(decoder), updates)
    build_all(
        EncoderWeights.read(ShippedGraph(encoder)), shipped_decoder, folder, TINY, integer=integer
    )
