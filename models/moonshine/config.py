"""The shape of a Moonshine: that of the shipped one, or what a folder's `config.json` says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.moonshine.tokenizer import (
    ALIGNMENT_HEADS,
    BOS,
    D_MLP,
    D_MODEL,
    EOS,
    FRAME_SAMPLES,
    HEAD_DIM,
    N_HEADS,
    N_LAYERS,
    ROTARY_BASE,
    ROTARY_DIM,
)

CONFIG_FILE: Final = "config.json"
MOONSHINE: Final = "moonshine"
MOONSHINE_STREAMING: Final = "moonshine_streaming"
KINDS: Final = (MOONSHINE, MOONSHINE_STREAMING)
"""The `model_type` of folders that can be read."""
WINDOWED_FRAME_SAMPLES: Final = 320
"""Of a streaming encoder: two convolutions of stride 2 behind windows of 5 ms."""
WINDOW_SAMPLES: Final = 80
"""Those 5 ms."""
CONVOLVED: Final = 4
"""Inputs in front of its own that an output of either convolution hears."""
_OLDEST_ROTARY: Final = 0.9
"""Share of a head's dimensions that are rotated, of models that were saved without saying so."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers of one width."""

    d_model: int
    n_layers: int
    n_heads: int
    head_dim: int
    d_mlp: int

    @property
    def d_heads(self) -> int:
        """Of all heads together."""
        return self.n_heads * self.head_dim


@dataclass(frozen=True, slots=True)
class MoonshineConfig:
    """A model's dimensions."""

    encoder: Stack
    decoder: Stack
    n_tokens: int
    rotary_dim: int
    """Of a head's dimensions: see `rotated`."""
    rotary_base: float
    alignment_heads: tuple[tuple[int, int], ...]
    """(layer, head) of the decoder whose cross-attention follows the speech."""
    windows: tuple[tuple[int, int], ...] = ()
    """Of each layer of a streaming encoder: a frame attends to itself and those in front of it, so
    many in all, and to one less than so many behind it. Empty: to all frames."""

    @property
    def frame_samples(self) -> int:
        """Samples that one encoder state stands for."""
        return WINDOWED_FRAME_SAMPLES if self.windows else FRAME_SAMPLES

    @property
    def look_ahead(self) -> int:
        """Frames behind a frame that it depends on, through all layers of a streaming encoder."""
        return sum(max(0, behind - 1) for _, behind in self.windows)

    @property
    def reach(self) -> int:
        """Frames in front of a frame that a layer of a streaming encoder attends to, at most."""
        return max(before for before, _ in self.windows) - 1

    @property
    def rotated(self) -> int:
        """Dimensions of a head that positions turn: an even number."""
        return 2 * -(-self.rotary_dim // 2)

    def rotary_angles(self, n_positions: int) -> npt.NDArray[np.float64]:
        """`[n_positions, rotated / 2]`."""
        exponents = np.arange(0, self.rotary_dim, 2, dtype=np.float64) / self.rotary_dim
        return np.outer(np.arange(n_positions), self.rotary_base**-exponents)


_TINY_STACK: Final = Stack(D_MODEL, N_LAYERS, N_HEADS, HEAD_DIM, D_MLP)
TINY: Final = MoonshineConfig(
    encoder=_TINY_STACK,
    decoder=_TINY_STACK,
    n_tokens=32_768,
    rotary_dim=ROTARY_DIM,
    rotary_base=ROTARY_BASE,
    alignment_heads=ALIGNMENT_HEADS,
)
"""The shipped model."""


def cache_names(prefix: str, stack: Stack = _TINY_STACK) -> list[str]:
    """Names of a cache's tensors in the graphs: `past.0.key`, `past.0.value`, …"""
    layers = range(stack.n_layers)
    return [f"{prefix}.{layer}.{part}" for layer in layers for part in ("key", "value")]


def mask_name(window: tuple[int, int]) -> str:
    """Of the input that says which frames a streaming encoder's layers of this window see."""
    return "mask.{}.{}".format(*window)


def model_type(path: Path) -> str:
    """What kind of model a `config.json` belongs to; empty if it does not say.

    Raises:
        ModelCorruptError: it is no such file.
    """
    found = _read(path).get("model_type", "")
    return found if isinstance(found, str) else ""


def read_config(path: Path, name: str) -> MoonshineConfig:
    """
    Args:
        path: a `config.json` as the transformers library writes it.
        name: the model's.

    Raises:
        ModelMissingError: there is no such file.
        ModelCorruptError: it is another kind of model, or a Moonshine unlike those published.
    """
    values = _read(path)
    kind = values.get("model_type")
    if kind not in KINDS:
        raise ModelCorruptError(f"{name} is of the kind {kind}, not {' or '.join(KINDS)}")
    try:
        _check(values, bos_token_id=BOS, eos_token_id=EOS, decoder_start_token_id=BOS)
        _check(values, attention_bias=False)
        return _moonshine(values) if kind == MOONSHINE else _streaming(values)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ModelCorruptError(f"{name} is no {kind} that can be run here ({reason})") from error


def _moonshine(values: Mapping[str, Any]) -> MoonshineConfig:
    _check(values, encoder_hidden_act="gelu", decoder_hidden_act="silu")
    stacks = []
    for side in ("encoder", "decoder"):
        n_heads, d_model = int(values[f"{side}_num_attention_heads"]), int(values["hidden_size"])
        _check(values, **{f"{side}_num_key_value_heads": n_heads})
        n_layers, d_mlp = int(values[f"{side}_num_hidden_layers"]), int(values["intermediate_size"])
        stacks.append(Stack(d_model, n_layers, n_heads, d_model // n_heads, d_mlp))
    return _with_rotary(values, stacks[0], stacks[1])


def _streaming(values: Mapping[str, Any]) -> MoonshineConfig:
    inner = values["encoder_config"]
    _check(values, hidden_act="silu")
    _check(inner, hidden_act="gelu", attention_bias=False, sample_rate=16_000, frame_ms=5.0)
    encoder, decoder = _stack(inner), _stack(values)
    windows = tuple((int(before), int(behind)) for before, behind in inner["sliding_windows"])
    if len(windows) != encoder.n_layers:
        raise ValueError(f"{len(windows)} sliding_windows for {encoder.n_layers} layers")
    return _with_rotary(values, encoder, decoder, windows)


def _stack(values: Mapping[str, Any]) -> Stack:
    n_heads, d_model = int(values["num_attention_heads"]), int(values["hidden_size"])
    _check(values, num_key_value_heads=n_heads)
    head_dim = int(values.get("head_dim") or d_model // n_heads)
    n_layers, d_mlp = int(values["num_hidden_layers"]), int(values["intermediate_size"])
    return Stack(d_model, n_layers, n_heads, head_dim, d_mlp)


def _with_rotary(
    values: Mapping[str, Any],
    encoder: Stack,
    decoder: Stack,
    windows: tuple[tuple[int, int], ...] = (),
) -> MoonshineConfig:
    rotary = values.get("rope_parameters") or values
    _check(rotary, rope_type="default")
    share = float(rotary.get("partial_rotary_factor", _OLDEST_ROTARY))
    upper = range(decoder.n_layers // 2, decoder.n_layers)
    return MoonshineConfig(
        encoder,
        decoder,
        int(values["vocab_size"]),
        int(decoder.head_dim * share),
        float(rotary.get("rope_theta", ROTARY_BASE)),
        # What Whisper takes where nothing is known.
        tuple((layer, head) for layer in upper for head in range(decoder.n_heads)),
        windows,
    )


def _check(values: Mapping[str, Any], **expected: Any) -> None:
    """
    Raises:
        ValueError: something is given and not as in all models that were published.
    """
    for key, wanted in expected.items():
        found = values.get(key)
        if found is not None and found not in (wanted, [wanted]):
            raise ValueError(f"{key} is {found!r}, not {wanted!r}")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelMissingError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ModelCorruptError(f"{path} is not JSON") from error
    if not isinstance(values, dict):
        raise ModelCorruptError(f"{path} describes no model")
    return values
