"""The graphs of a Moonshine Streaming, whose encoder has a bounded window.

* `stem.onnx`    new samples -> features, and the last outputs that the convolutions go on from
* `encode.onnx`  those of the newest frames -> states, behind the kept keys and values of older ones
* `cross.onnx`   states and their positions -> what the decoder's cross-attention wants
* `step.onnx`    as of `decoder_graph`

The architecture is that of "Moonshine v2: Ergodic Streaming Encoder ASR for Latency-Critical Speech
Applications" (Kudlur et al., 2026): windows of 5 ms, each normalized for itself, two causal
convolutions of stride 2, layers without positions in which a frame attends to its neighbours;
positions are added between encoder and decoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from onnx import TensorProto

from streamer.models.moonshine.config import (
    CONVOLVED,
    WINDOW_SAMPLES,
    MoonshineConfig,
    cache_names,
    mask_name,
)
from streamer.models.moonshine.decoder_graph import build_step
from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.moonshine.encoder_weights import Convolution, WindowedEncoderWeights
from streamer.models.moonshine.graph import encoder_layer
from streamer.models.moonshine.graph_parts import cache_inputs, cross_keys, product
from streamer.models.moonshine.tokenizer import CROSS_FILE, ENCODE_FILE, STEM_FILE, STEP_FILE
from streamer.models.onnx.graph_builder import MICROSOFT, GraphBuilder, Products, tensor

_NORM_EPSILON: Final = 1e-6


def build_windowed_stem(encoder: WindowedEncoderWeights, target: Path) -> None:
    """Write the graph of what comes before the layers.

    `samples [1, 320 F]`, `first_past [1, D, 4]` and `second_past [1, 2 D, 4]`, the last inputs of
    the convolutions so far, zeros at first -> `features [1, F, D]`, `first_next`, `second_next`.
    """
    build = GraphBuilder("float")
    d_model = encoder.frames.shape[1]
    ones = build.constant("ones", np.ones(WINDOW_SAMPLES, np.float32))
    zeros = build.constant("zeros", np.zeros(WINDOW_SAMPLES, np.float32))
    x = build.reshape("samples", [0, -1, WINDOW_SAMPLES], "windows")
    x = build.add(
        "LayerNormalization", [x, ones, zeros], "windows/normed", axis=-1, epsilon=_NORM_EPSILON
    )
    factor = build.constant("compression", np.array(encoder.compression, np.float32))
    x = build.add("Asinh", [build.add("Mul", [x, factor], "windows/scaled")], "compressed")
    x = build.linear_in_floats(x, encoder.frames, "projected")
    x = build.add("QuickGelu", [x], "projected/silu", MICROSOFT, alpha=1.0)
    x = build.add("Transpose", [x], "channels", perm=[0, 2, 1])
    x = _convolve(build, x, encoder.first, "first")
    x = build.add("QuickGelu", [x], "first/silu", MICROSOFT, alpha=1.0)
    x = _convolve(build, x, encoder.second, "second")
    build.add("Transpose", [x], "features", perm=[0, 2, 1])
    inputs = [
        tensor("samples", [1, "N"]),
        tensor("first_past", [1, d_model, CONVOLVED]),
        tensor("second_past", [1, 2 * d_model, CONVOLVED]),
    ]
    names = ("features", "first_next", "second_next")
    build.save(target, inputs, dict.fromkeys(names, TensorProto.FLOAT))


def _convolve(build: GraphBuilder, x: str, weights: Convolution, name: str) -> str:
    """Causal, of stride 2, going on from `<name>_past`; leaves `<name>_next`."""
    x = build.add("Concat", [f"{name}_past", x], f"{name}/inputs", axis=2)
    start = build.constant("last", np.array([-CONVOLVED], np.int64))
    end = build.constant("end", np.array([np.iinfo(np.int64).max], np.int64))
    axis = build.constant("axis_2", np.array([2], np.int64))
    build.add("Slice", [x, start, end, axis], f"{name}_next")
    kernel = build.constant(f"{name}/kernel", weights.kernel)
    bias = build.constant(f"{name}/bias", weights.bias)
    return build.add("Conv", [x, kernel, bias], f"{name}/out", strides=[2])


def build_windowed_encode(
    encoder: WindowedEncoderWeights, target: Path, products: Products, config: MoonshineConfig
) -> None:
    """Write the graph of the encoder's layers.

    Inputs: `features [1, F, D]`, for each different window `mask.<before>.<behind> [1, 1, F, P +
    F]`, added to the scores, `past.<layer>.{key,value} [1, H, P, D]`. Outputs: `states [1, F, D]`,
    `new.<layer>.{key,value} [1, H, F, D]`.
    """
    build = GraphBuilder(products)
    stack = config.encoder
    x = "features"
    for layer, window in enumerate(config.windows):
        x = encoder_layer(build, encoder.layers, layer, x, stack, mask=mask_name(window))
    build.layer_norm(x, encoder.layers.gains["last"], "states")
    inputs = [
        tensor("features", [1, "F", stack.d_model]),
        *(tensor(mask_name(each), [1, 1, "F", "P + F"]) for each in sorted(set(config.windows))),
        *cache_inputs("past", stack, 1, "P"),
    ]
    names = ["states", *cache_names("new", stack)]
    build.save(target, inputs, dict.fromkeys(names, TensorProto.FLOAT))


def build_cross(
    encoder: WindowedEncoderWeights,
    decoder: DecoderWeights,
    target: Path,
    products: Products,
    config: MoonshineConfig,
) -> None:
    """Write the graph between encoder and decoder.

    `states [1, F, D]`, `positions [F]` int64 -> `cross.<layer>.{key,value} [1, H, F, D]`.
    """
    build = GraphBuilder(products)
    table = build.constant("position_table", encoder.positions)
    places = build.add("Gather", [table, "positions"], "places", axis=0)
    x = build.add("Add", ["states", places], "placed")
    if encoder.projection is not None:
        x = product(build, x, encoder.projection, "projected")
    cross_keys(build, decoder, x, config)
    inputs = [
        tensor("states", [1, "F", config.encoder.d_model]),
        tensor("positions", ["F"], TensorProto.INT64),
    ]
    names = cache_names("cross", config.decoder)
    build.save(target, inputs, dict.fromkeys(names, TensorProto.FLOAT))


def build_windowed(
    encoder: WindowedEncoderWeights,
    decoder: DecoderWeights,
    folder: Path,
    config: MoonshineConfig,
    *,
    integer: bool,
) -> None:
    """Write the four graphs into `folder`; `integer` as of `graph.build_graphs`."""
    products: Products = "pass" if integer else "float"
    build_windowed_stem(encoder, folder / STEM_FILE)
    build_windowed_encode(encoder, folder / ENCODE_FILE, products, config)
    build_cross(encoder, decoder, folder / CROSS_FILE, products, config)
    build_step(decoder, folder / STEP_FILE, "rows" if integer else "float", config)
