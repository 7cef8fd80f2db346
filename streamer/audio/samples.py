"""Sound as programs have it, turned into what sessions take: mono float32 samples in -1 … 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.audio.channels import ChannelMixer

Sound = npt.NDArray[Any] | Sequence[float] | bytes | bytearray | memoryview
"""Arrays of floats in -1 … 1, or of integers of 8 (unsigned), 16 or 32 bits; `[frames]`,
`[frames, channels]` or `[channels, frames]`. Bytes are samples in a known encoding."""

_MAX_CHANNELS: Final = 8
_MAX_PEAK: Final = 16.0
"""Beyond it, somebody forgot to scale."""
_FULL_SCALE: Final = {"i2": 2.0**15, "i4": 2.0**31}
_UNSIGNED_8_ZERO: Final = 128.0


def mono_samples(sound: Sound, byte_type: str = "<i2") -> Floats:
    """The samples `[frames]`; channels are averaged.

    Args:
        byte_type: what bytes hold, `<i2` or `<f4`.

    Raises:
        TypeError: this is no sound.
        ValueError: it has no known full scale, is far beyond it, is not finite, has a shape that
            no sound has, or ends within a sample.
    """
    if isinstance(sound, bytes | bytearray | memoryview):
        array: npt.NDArray[Any] = _from_bytes(sound, byte_type)
    else:
        array = np.asarray(sound)
    return _in_bounds(_mixed(in_full_scale(array)))


def channel_samples(sound: Sound, channels: int, byte_type: str = "<i2") -> Floats:
    """The samples `[frames, channels]`, kept apart. Bytes are interleaved.

    Raises:
        TypeError, ValueError: as `mono_samples`; or there are not so many channels.
    """
    if isinstance(sound, bytes | bytearray | memoryview):
        array: npt.NDArray[Any] = _from_bytes(sound, byte_type)
        if array.size % channels:
            raise ValueError(f"{array.size} samples are no whole number of {channels} at a time")
        array = array.reshape(-1, channels)
    else:
        array = np.asarray(sound)
    if array.ndim != 2 or channels not in array.shape:
        raise ValueError(
            f"sound of {channels} channels is [frames, {channels}] or [{channels}, frames]; this "
            f"is {list(array.shape)}"
        )
    return _in_bounds(in_full_scale(array if array.shape[1] == channels else array.T))


def _in_bounds(samples: Floats) -> Floats:
    if samples.size and not np.abs(samples).max() <= _MAX_PEAK:
        raise ValueError("samples must be finite floats in -1 … 1, or integers such as int16")
    return samples


def _from_bytes(sound: bytes | bytearray | memoryview, byte_type: str) -> npt.NDArray[Any]:
    kind = np.dtype(byte_type)
    n_bytes = memoryview(sound).nbytes
    if n_bytes % kind.itemsize:
        raise ValueError(
            f"{n_bytes} bytes are no whole number of samples of {kind.itemsize} bytes; a block "
            "that ends within a sample would turn all that follows into noise"
        )
    return np.frombuffer(sound, kind)


def in_full_scale(array: npt.NDArray[Any]) -> Floats:
    """Float32 in -1 … 1, of floats or of integers of 8 (unsigned), 16 or 32 bits.

    Raises:
        TypeError: these are no numbers that sound has.
        ValueError: the integers have no known full scale.
    """
    kind = array.dtype.str[1:]
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if kind in _FULL_SCALE:
        return array.astype(np.float32) / np.float32(_FULL_SCALE[kind])
    if kind == "u1":
        return array.astype(np.float32) / np.float32(_UNSIGNED_8_ZERO) - np.float32(1)
    if array.dtype.kind in "iu":
        raise ValueError(
            f"{array.dtype} has no full scale that sound is known by; give int16, int32, uint8, "
            "or floats in -1 … 1"
        )
    raise TypeError(f"sound is an array of floats or integers, or bytes; this is {array.dtype}")


def _mixed(array: Floats) -> Floats:
    if array.ndim == 1:
        return array
    if array.ndim == 2 and min(array.shape) <= _MAX_CHANNELS:
        # Sound has more frames than channels, whichever way it lies.
        channels = 0 if 0 < array.shape[0] < array.shape[1] else 1
        frames = array.T if channels == 0 else array
        return ChannelMixer(frames.shape[1]).mix(frames)
    raise ValueError(
        f"sound is [frames], [frames, channels] or [channels, frames]; this is {list(array.shape)}"
    )
