"""All weights of a Moonshine: the shipped one, or any as the transformers library saves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError, safe_open

from streamer.models.errors import ModelCorruptError
from streamer.models.moonshine.config import CONFIG_FILE, TINY, MoonshineConfig, read_config
from streamer.models.moonshine.decoder_weights import DecoderWeights, Product
from streamer.models.moonshine.encoder_weights import (
    Convolution,
    EncoderWeights,
    Layers,
    WindowedEncoderWeights,
)
from streamer.models.moonshine.folder import weight_files
from streamer.models.onnx.graph_builder import Array, ExactWeight, Weight, quantized
from streamer.models.onnx.ort_file import ShippedGraph

_ATTENTIONS: Final = {"self": "self_attn", "cross": "encoder_attn"}
_FEED_FORWARD: Final = {"wide": "fc1", "narrow": "fc2"}
_ENCODER_NORMS: Final = {"self": "input_layernorm", "mlp": "post_attention_layernorm"}
_DECODER_NORMS: Final = {
    "self": "input_layernorm",
    "cross": "post_attention_layernorm",
    "mlp": "final_layernorm",
}


@dataclass(frozen=True, eq=False)
class MoonshineWeights:
    """Of a model of these dimensions; those of a streaming one are windowed."""

    config: MoonshineConfig
    encoder: EncoderWeights | WindowedEncoderWeights
    decoder: DecoderWeights


def read_shipped(encoder: Path, decoder: Path, updates: Path | None = None) -> MoonshineWeights:
    """
    Args:
        encoder, decoder: `encoder_model.ort` and `decoder_model_merged.ort`.
        updates: as of `DecoderWeights.read`.

    Raises:
        GraphFormatError: the files are not the expected ones.
        LoraMismatchError: the updates are another decoder's.
    """
    return MoonshineWeights(
        TINY,
        EncoderWeights.read(ShippedGraph(encoder)),
        DecoderWeights.read(ShippedGraph(decoder), updates),
    )


def read_folder(source: Path, name: str, *, integer: bool) -> MoonshineWeights:
    """
    Args:
        source: as the transformers library saves it.
        name: the model's.
        integer: 8-bit matrix products, for CPUs; otherwise float32.

    Raises:
        ModelMissingError: a file is missing.
        ModelCorruptError: it is no Moonshine, or the weights do not fit its `config.json`.
    """
    config = read_config(source / CONFIG_FILE, name)
    weights = _FolderWeights(source, name, integer=integer)
    try:
        encoder = _windowed(weights, config) if config.windows else _encoder(weights, config)
        return MoonshineWeights(config, encoder, _decoder(weights, config))
    except KeyError as error:
        raise ModelCorruptError(f"{name} has no weight {error}") from error


class _FolderWeights:
    """Weights by the library's names."""

    def __init__(self, folder: Path, name: str, *, integer: bool) -> None:
        self._tensors: dict[str, Array] = {}
        self._made: Callable[[Array], Weight] = quantized if integer else ExactWeight
        try:
            for path in weight_files(folder):
                with safe_open(path, "numpy") as found:
                    for key in found.keys():  # noqa: SIM118 - it is no mapping
                        self._tensors[key] = found.get_tensor(key).astype(np.float32)
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise ModelCorruptError(f"the weights of {name} cannot be read ({error})") from error

    def __contains__(self, key: str) -> bool:
        return key in self._tensors

    def plain(self, key: str) -> Array:
        return self._tensors[key]

    def table(self, key: str) -> Weight:
        return self._made(self._tensors[key])

    def product(self, key: str) -> Product:
        """Of a linear layer."""
        weight = np.ascontiguousarray(self._tensors[f"{key}.weight"].T)
        return Product(self._made(weight), self._tensors.get(f"{key}.bias"))

    def convolution(self, key: str) -> Convolution:
        return Convolution(self._tensors[f"{key}.weight"], self._tensors[f"{key}.bias"])


def _layers(
    weights: _FolderWeights, at: str, n_layers: int, norms: dict[str, str], *, windowed: bool
) -> Layers:
    """Those of `<at>.layers`, without the last gain."""
    products, gains = {}, {}
    for layer in range(n_layers):
        path = f"{at}.layers.{layer}"
        for kind, theirs in _ATTENTIONS.items():
            if kind in norms:
                for part in "qkvo":
                    made = weights.product(f"{path}.{theirs}.{part}_proj")
                    products[f"{layer}.{kind}.{part}"] = made
        for name, theirs in _FEED_FORWARD.items():
            products[f"{layer}.mlp.{name}"] = weights.product(f"{path}.mlp.{theirs}")
        for name, theirs in norms.items():
            gains[f"{layer}.{name}"] = _gain(weights, f"{path}.{theirs}", windowed=windowed)
    return Layers(products, gains)


def _gain(weights: _FolderWeights, key: str, *, windowed: bool) -> Array:
    """A streaming encoder's are kept as what they differ from 1."""
    return weights.plain(f"{key}.gamma") + 1 if windowed else weights.plain(f"{key}.weight")


def _encoder(weights: _FolderWeights, config: MoonshineConfig) -> EncoderWeights:
    at = "model.encoder"
    layers = _layers(weights, at, config.encoder.n_layers, _ENCODER_NORMS, windowed=False)
    last = _gain(weights, f"{at}.layer_norm", windowed=False)
    return EncoderWeights(
        first=weights.plain(f"{at}.conv1.weight"),
        norm_gain=weights.plain(f"{at}.groupnorm.weight"),
        norm_shift=weights.plain(f"{at}.groupnorm.bias"),
        second=weights.convolution(f"{at}.conv2"),
        third=weights.convolution(f"{at}.conv3"),
        layers=Layers(layers.products, {**layers.gains, "last": last}),
    )


def _windowed(weights: _FolderWeights, config: MoonshineConfig) -> WindowedEncoderWeights:
    at = "model.encoder"
    layers = _layers(weights, at, config.encoder.n_layers, _ENCODER_NORMS, windowed=True)
    last = _gain(weights, f"{at}.final_norm", windowed=True)
    between = "model.decoder.proj"
    return WindowedEncoderWeights(
        compression=float(np.exp(weights.plain(f"{at}.embedder.comp.log_k"))),
        frames=np.ascontiguousarray(weights.plain(f"{at}.embedder.linear.weight").T),
        first=weights.convolution(f"{at}.embedder.conv1"),
        second=weights.convolution(f"{at}.embedder.conv2"),
        layers=Layers(layers.products, {**layers.gains, "last": last}),
        positions=weights.plain("model.decoder.pos_emb.weight"),
        projection=weights.product(between) if f"{between}.weight" in weights else None,
    )


def _decoder(weights: _FolderWeights, config: MoonshineConfig) -> DecoderWeights:
    at = "model.decoder"
    layers = _layers(weights, at, config.decoder.n_layers, _DECODER_NORMS, windowed=False)
    table = f"{at}.embed_tokens"
    # Models whose input and output tokens share their weights need not have them twice.
    head = "proj_out" if "proj_out.weight" in weights else table
    return DecoderWeights(
        {**layers.products, "logits": weights.product(head)},
        {**layers.gains, "last": weights.plain(f"{at}.norm.weight")},
        weights.table(f"{table}.weight"),
    )
