"""How much work the models are: operations and bytes, from their dimensions.

A multiply and an add are two operations. Bytes are what a pass must at least touch: every weight
once, inputs and outputs of every matrix product once. Only matrix products and convolutions are
counted; norms, activations and copies are left out, so real passes touch more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from streamer.models.moonshine.tokenizer import HEAD_DIM, N_HEADS, N_LAYERS

FLOAT: Final = 4
WIDTH: Final = N_HEADS * HEAD_DIM
MLP_WIDTH: Final = 1_152
VOCABULARY: Final = 32_768


@dataclass(frozen=True, slots=True)
class Work:
    """Operations in each arithmetic, and bytes."""

    float_ops: float = 0.0
    int8_ops: float = 0.0
    bfloat16_ops: float = 0.0
    bytes: float = 0.0

    @property
    def ops(self) -> float:
        return self.float_ops + self.int8_ops + self.bfloat16_ops

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Work)))

    def __mul__(self, times: float) -> Work:
        return Work(*(getattr(self, f.name) * times for f in fields(Work)))


def linear(rows: float, n_in: int, n_out: int) -> Work:
    """`[rows, n_in] @ [n_in, n_out]` with 8-bit weights."""
    moved = n_in * n_out + FLOAT * rows * (n_in + n_out)
    return Work(int8_ops=2 * rows * n_in * n_out, bytes=moved)


def attention(queries: float, keys: float, width: int) -> Work:
    """Scores and mixture over all heads, in float32."""
    moved = FLOAT * (2 * queries + 2 * keys) * width
    return Work(float_ops=4 * queries * keys * width, bytes=moved)


def convolution(frames: float, n_in: int, n_out: int, kernel: int, stride: int) -> Work:
    """One dimension, float32; `frames` come out."""
    moved = FLOAT * (n_in * n_out * kernel + frames * (stride * n_in + n_out))
    return Work(float_ops=2 * frames * n_in * n_out * kernel, bytes=moved)


def moonshine_bands(samples: float) -> Work:
    """The first two convolutions: samples to bands at 83 a second."""
    narrow = (samples - 127) // 64 + 1
    wide = (narrow - 7) // 3 + 1
    return convolution(narrow, 1, WIDTH, 127, 64) + convolution(wide, WIDTH, 2 * WIDTH, 7, 3)


def moonshine_frames(frames: float) -> Work:
    """The third convolution: bands to frames at 41.7 a second."""
    return convolution(frames, 2 * WIDTH, WIDTH, 3, 2)


def moonshine_encoder(frames: float, attended: float) -> Work:
    """All layers over `frames` that attend to `attended` frames, themselves among them."""
    layer = linear(frames, WIDTH, 3 * WIDTH) + attention(frames, attended, WIDTH)
    layer += linear(frames, WIDTH, WIDTH)
    layer += linear(frames, WIDTH, MLP_WIDTH) + linear(frames, MLP_WIDTH, WIDTH)
    return layer * N_LAYERS


def moonshine_cross_kv(frames: float) -> Work:
    """Keys and values of `frames` for all layers of the decoder."""
    return linear(frames, WIDTH, 2 * WIDTH) * N_LAYERS


def moonshine_decoder(
    rows: float, tokens: float, past: float, frames: float, scored: float
) -> Work:
    """One pass: `rows` hypotheses of `tokens` new tokens each, behind `past` tokens, over `frames`
    of audio; `scored` tokens in all go through the vocabulary."""
    new = rows * tokens
    layer = linear(new, WIDTH, 3 * WIDTH) + attention(tokens, past + tokens, WIDTH) * rows
    layer += linear(new, WIDTH, WIDTH) * 3  # out, query to the audio, out
    layer += attention(tokens, frames, WIDTH) * rows
    layer += linear(new, WIDTH, 2 * MLP_WIDTH) + linear(new, MLP_WIDTH, WIDTH)
    return layer * N_LAYERS + linear(scored, WIDTH, VOCABULARY)


@dataclass(frozen=True, slots=True)
class GemmaSize:
    """Dimensions of a Gemma 3 text model; the defaults are those of the 270M one."""

    n_layers: int = 18
    width: int = 640
    query_width: int = 1_024
    key_width: int = 256
    mlp_width: int = 2_048
    vocabulary: int = 262_144


def gemma_body(size: GemmaSize, tokens: float, past: float) -> Work:
    """All layers over `tokens` new tokens behind `past` cached ones; one key head serves all."""
    layer = linear(tokens, size.width, size.query_width + 2 * size.key_width)
    layer += attention(tokens, past + tokens, size.query_width)
    layer += linear(tokens, size.query_width, size.width)
    layer += linear(tokens, size.width, 2 * size.mlp_width)
    layer += linear(tokens, size.mlp_width, size.width)
    return layer * size.n_layers


def gemma_head(size: GemmaSize, scored: float) -> Work:
    """`scored` tokens through the vocabulary."""
    return linear(scored, size.width, size.vocabulary)
