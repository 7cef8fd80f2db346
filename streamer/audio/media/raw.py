"""Samples without a container from a pipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.media.contract import RawPipe
from streamer.audio.samples import in_full_scale

_READ_BYTES: Final = 1 << 16


class RawFrames:
    """See `Frames`."""

    def __init__(self, source: RawPipe, descriptor: int) -> None:
        """`descriptor`: of the file or pipe to read; it is left open."""
        self.rate = source.rate
        self.channels = source.channels
        self.length_s: float | None = None
        self._kind = np.dtype(source.raw_format.numpy_type)
        self._descriptor = descriptor
        self._stopped = False

    def __iter__(self) -> Iterator[Floats]:
        """Bytes that are no whole frame at the end are left out."""
        step = self._kind.itemsize * self.channels
        rest = b""
        while not self._stopped and (data := os.read(self._descriptor, _READ_BYTES)):
            data = rest + data
            whole = len(data) // step * step
            rest = data[whole:]
            if whole:
                samples = np.frombuffer(data, self._kind, whole // self._kind.itemsize)
                yield in_full_scale(samples).reshape(-1, self.channels)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        pass
