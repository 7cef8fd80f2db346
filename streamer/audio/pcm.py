"""A stream of bytes in a client's encoding, as mono samples."""

from __future__ import annotations

import io
from enum import StrEnum
from typing import Final

import numpy as np
import soundfile

from streamer.audio.arrays import Floats

_SCALES: Final = {"<i2": 2.0**15, "<i4": 2.0**31}
_UNSIGNED_8_ZERO: Final = 128.0


class SampleFormat(StrEnum):
    """What clients of the foreign protocols send without a container."""

    U8 = "u8"
    LINEAR16 = "linear16"
    LINEAR32 = "linear32"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return {self.LINEAR16: 2, self.LINEAR32: 4}.get(self, 1)


class SampleReader:
    """Messages may cut the stream anywhere, inside samples too."""

    def __init__(self, sample_format: SampleFormat, channels: int = 1) -> None:
        """`channels`: interleaved; they are averaged."""
        self._format = sample_format
        self._channels = channels
        self._rest = b""

    def read(self, data: bytes) -> Floats:
        """The samples `[N]`, -1 … 1, that are complete with these bytes."""
        data = self._rest + data
        whole = len(data) // self._step * self._step
        self._rest = data[whole:]
        samples = _decode(data[:whole], self._format)
        mixed: Floats = samples.reshape(-1, self._channels).mean(axis=1, dtype=np.float32)
        return mixed

    @property
    def _step(self) -> int:
        return self._format.width * self._channels


def _decode(data: bytes, sample_format: SampleFormat) -> Floats:
    if not data:
        return np.zeros(0, np.float32)
    if sample_format in (SampleFormat.MULAW, SampleFormat.ALAW):
        subtype = "ULAW" if sample_format is SampleFormat.MULAW else "ALAW"
        decoded: Floats = soundfile.read(
            io.BytesIO(data),
            dtype="float32",
            format="RAW",
            subtype=subtype,
            samplerate=8_000,  # any: nothing is converted
            channels=1,
        )[0]
        return decoded
    if sample_format is SampleFormat.U8:
        unsigned = np.frombuffer(data, np.uint8).astype(np.float32)
        return (unsigned - np.float32(_UNSIGNED_8_ZERO)) / np.float32(_UNSIGNED_8_ZERO)
    kind = "<i2" if sample_format is SampleFormat.LINEAR16 else "<i4"
    return np.frombuffer(data, kind).astype(np.float32) / np.float32(_SCALES[kind])
