"""The project's emotion classifier for many windows at once.

The network is `streamer.models.train.emotion.net`; here windows of different lengths share a pass,
and what lies behind a window's end is masked wherever it would be seen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.card.device import ROWS, Card, Queue, bucket, in_parts, in_parts_or_fail
from streamer.models.card.layers import FeedForward, attend, layer_norm, rotated, turns
from streamer.models.emotion.classifier import LABELS, ClipOptions, EmotionModel, Samples
from streamer.models.errors import ModelCorruptError, NoRoomError
from streamer.models.moonshine.config import TINY

SAMPLES: Final = (16_000, 32_000, 48_000, 96_000)
"""Buckets of a window's length."""
_TARGET_RMS: Final = 0.06
_TEMPERATURES: Final = (-1.5, 3.0)
"""Bounds of the logarithm, as `streamer.models.train.emotion.certainty` has them."""


@dataclass(frozen=True)
class _Layer:
    norm: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    out: Tensor
    feed_forward: FeedForward


class _File:
    """The exported graph's weights, by the network's names."""

    def __init__(self, path: Path, card: Card) -> None:
        model = onnx.load(path)
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}
        self._card = card
        self._arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        ends = "_output_quantized"
        outputs = [node.output[0] for node in model.graph.node]
        self.products = [name.removesuffix(ends) for name in outputs if name.endswith(ends)]
        self._inputs = {node.output[0]: list(node.input) for node in model.graph.node}

    def plain(self, name: str) -> Tensor:
        """In float32."""
        stored = name if name in self._arrays else f"{name}_half"
        return self._card.place(self._arrays[stored].astype(np.float32), torch.float32)

    def operand(self, output: str, at: int) -> Tensor:
        """What a node takes beside its data."""
        return self.plain(self._inputs[output][at])

    def product(self, output: str) -> Tensor:
        """`[in, out]`, in float32."""
        codes = self._inputs[f"{output}_output_quantized"][1]
        stem = codes.removesuffix("_quantized")
        scale, zero = (self._arrays[f"{stem}_{part}"] for part in ("scale", "zero_point"))
        wide = (self._arrays[codes].astype(np.float32) - zero) * scale
        return self._card.place(wide, torch.float32)


class CardEmotion(EmotionModel):
    """See `streamer.models.emotion.classifier.EmotionClassifier`, whose weights it has. Like the
    encoder's its layers are in the card's number format, all else is in float32."""

    batched = True

    def __init__(
        self, path: Path, card: Card, queue: Queue, options: ClipOptions | None = None
    ) -> None:
        """
        Args:
            path: `emotion.onnx`.

        Raises:
            ModelCorruptError: the file is another model.
            DeviceUnavailableError: the card's memory is too small.
        """
        super().__init__(LABELS, options)
        file = _File(path, card)
        if file.metadata.get("labels", "").split(",") != list(LABELS):
            raise ModelCorruptError(f"{path} is not an emotion model of this project")
        self.shown_from = json.loads(file.metadata.get("shown_from", "{}"))
        self._queue, self._dtype = queue, card.dtype
        try:
            self._read(file)
        except KeyError as error:
            raise ModelCorruptError(f"{path} has no weight {error}") from error
        card.wait()

    def _read(self, file: _File) -> None:
        dtype = self._dtype
        self._kernel = file.plain("net.front.kernel")
        self._first = file.plain("net.encoder.conv1.weight")
        self._gain = file.operand("/norm1/Mul_output_0", 1)
        self._shift = file.operand("/norm1/Add_output_0", 1)
        self._second = _convolution(file, "conv2", dtype)
        self._third = _convolution(file, "conv3", dtype)
        n_layers = sum(name.endswith("/up/MatMul_output_0") for name in file.products)
        self._layers = [self._layer(file, layer) for layer in range(n_layers)]
        self._norms = [
            (file.plain(f"net.norms.{i}.weight"), file.plain(f"net.norms.{i}.bias"))
            for i in range(n_layers + 1)
        ]
        self._shares = [file.operand(f"/Mul_{4 + i}_output_0", 0) for i in range(n_layers + 1)]
        self._narrow = file.product("/narrow/MatMul_output_0"), file.plain("net.narrow.bias")
        self._scores = [
            (
                file.product(f"/pool/score/score.{i}/MatMul_output_0"),
                file.plain(f"net.pool.score.{i}.bias"),
            )
            for i in (0, 2)
        ]
        self._head_norm = file.plain("net.head.0.weight"), file.plain("net.head.0.bias")
        self._head = [
            (file.product(f"/head/head.{i}/Gemm_output_0_MatMul"), file.plain(f"net.head.{i}.bias"))
            for i in (2, 5)
        ]
        self._certainty = [file.plain(f"certainty.{part}") for part in ("weight", "short", "bias")]

    def _layer(self, file: _File, layer: int) -> _Layer:
        def product(name: str) -> Tensor:
            found = file.product(f"/encoder/layers.{layer}/{name}/MatMul_output_0")
            return found.to(self._dtype)

        def plain(name: str) -> Tensor:
            return file.plain(f"net.encoder.layers.{layer}.{name}").to(self._dtype)

        return _Layer(
            plain("norm_attn.weight"),
            product("q"),
            product("k"),
            product("v"),
            product("out"),
            FeedForward(
                plain("norm_mlp.weight"),
                product("up"),
                plain("up.bias"),
                product("down"),
                plain("down.bias"),
            ),
        )

    @property
    def name(self) -> str:
        return "emotion"

    @property
    def queues(self) -> tuple[Queue, ...]:
        return (self._queue,)

    def probabilities_together(self, windows: Sequence[Samples]) -> list[Samples | NoRoomError]:
        """See `EmotionModel`; each of 0.4 to 6 s. For what finds no memory the answer is the
        error."""
        return in_parts_or_fail(self._run, windows, ROWS[-3])

    def _probabilities(self, samples: Samples) -> Samples:
        (found,) = in_parts(self._run, [samples], 1)
        return found

    def _run(self, windows: Sequence[Samples]) -> list[Samples]:
        n_rows = bucket(ROWS, len(windows))
        n_samples = bucket(SAMPLES, max(map(len, windows)))
        words = np.zeros((n_rows, 1 + n_samples), np.int32)
        # Rows of nothing but padding hear a whole window of silence.
        words[:, 0] = n_samples
        floats = words[:, 1:].view(np.float32)
        for row, samples in enumerate(windows):
            words[row, 0] = len(samples)
            floats[row, : len(samples)] = samples
        found = self._queue.read(self._pass, words.reshape(-1), n_rows, n_samples)
        return list(found[: len(windows)])

    def _pass(self, words: Tensor, n_rows: int, n_samples: int) -> Tensor:
        words = words.view(n_rows, 1 + n_samples)
        length = words[:, :1].long()
        samples = self._loud(words[:, 1:].view(torch.float32), length)
        x, n_frames = self._stem(samples, length)
        there = torch.arange(x.shape[1], device=x.device) < n_frames
        frames = self._frames(x, there)
        return self._classified(frames, there, length).softmax(dim=-1)

    def _loud(self, samples: Tensor, length: Tensor) -> Tensor:
        """Without its mean, low-passed, of one loudness."""
        there = torch.arange(samples.shape[1], device=samples.device) < length
        mean = (samples * there).sum(1, keepdim=True) / length
        centred = (samples - mean) * there
        padding = self._kernel.shape[-1] // 2
        low = functional.conv1d(centred[:, None], self._kernel, padding=padding)[:, 0] * there
        rms = (low.square().sum(1, keepdim=True) / length).sqrt()
        return low * (_TARGET_RMS / (rms + 1e-5))

    def _stem(self, samples: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Frames `[B, T, D]`, and how many of each row are its own."""
        x = functional.conv1d(samples[:, None], self._first, stride=64).tanh()
        n_first = (length - 127) // 64 + 1
        there = (torch.arange(x.shape[2], device=x.device) < n_first)[:, None]
        n_values = (n_first * x.shape[1])[..., None]
        mean = (x * there).sum((1, 2), keepdim=True) / n_values
        centred = (x - mean) * there
        spread = centred.square().sum((1, 2), keepdim=True) / n_values
        x = centred * (spread + 1e-5).rsqrt() * self._gain + self._shift
        x = functional.gelu(functional.conv1d(x.to(self._dtype), *self._second, stride=3))
        x = functional.gelu(functional.conv1d(x, *self._third, stride=2))
        return x.transpose(1, 2), ((n_first - 7) // 3 + 1 - 3) // 2 + 1

    def _frames(self, x: Tensor, there: Tensor) -> Tensor:
        """The layers, mixed: `[B, T, pool_width]`, in float32."""
        n_heads = TINY.encoder.n_heads  # the classifier grew out of that encoder
        turn = turns(torch.arange(x.shape[1], device=x.device)[None], TINY)
        mixed = self._share(0, x)
        for at, layer in enumerate(self._layers):
            normed = layer_norm(x, layer.norm)
            heard, _ = attend(
                rotated(normed @ layer.query, turn, n_heads),
                rotated(normed @ layer.key, turn, n_heads),
                normed @ layer.value,
                there[:, None, None],
                n_heads,
            )
            x = layer.feed_forward.run(x + heard @ layer.out)
            mixed = mixed + self._share(at + 1, x)
        weight, bias = self._narrow
        return functional.gelu(mixed @ weight + bias)

    def _share(self, layer: int, states: Tensor) -> Tensor:
        return self._shares[layer] * layer_norm(states.float(), *self._norms[layer])

    def _classified(self, frames: Tensor, there: Tensor, length: Tensor) -> Tensor:
        """Attentive statistics, then logits `[B, C]` as sure as they may be."""
        (inner, inner_bias), (outer, outer_bias) = self._scores
        scores = (frames @ inner + inner_bias).tanh() @ outer + outer_bias
        weights = scores.masked_fill(~there[..., None], -1e9).softmax(dim=1)
        mean = (weights * frames).sum(1)
        spread = (weights * (frames - mean[:, None]).square()).sum(1)
        pooled = torch.cat((mean, (spread + 1e-4).sqrt()), dim=-1)
        (inner, inner_bias), (outer, outer_bias) = self._head
        hidden = functional.gelu(layer_norm(pooled, *self._head_norm) @ inner + inner_bias)
        logits = hidden @ outer + outer_bias
        weight, short, bias = self._certainty
        seen = (functional.layer_norm(pooled, pooled.shape[-1:], eps=1e-5) * weight).sum(-1)
        seen = seen + short / (length[:, 0] / SAMPLE_RATE) + bias
        return logits / seen.clamp(*_TEMPERATURES).exp()[:, None]


def _convolution(file: _File, name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    weight, bias = (file.plain(f"net.encoder.{name}.{part}") for part in ("weight", "bias"))
    return weight.to(dtype), bias.to(dtype)
