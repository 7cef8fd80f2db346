"""Reads the weights of a model for CTranslate2, for what CTranslate2 itself does not compute."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.models.errors import ModelCorruptError

Array = npt.NDArray[Any]

_VERSIONS: Final = (5, 6)
_TYPES: Final = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""By the number that stands in the file."""


class WeightsFile:
    """The `model.bin` of a folder. The arrays are views of the file: what is not read stays on
    the disk."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ModelCorruptError: it is not the file of weights that CTranslate2 writes.
        """
        self._path = path
        self._arrays: dict[str, Array] = {}
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read()
        except (ValueError, struct.error, IndexError) as error:
            raise ModelCorruptError(f"{path} holds no weights for CTranslate2 ({error})") from error

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def get(self, name: str) -> Array:
        """The array as it is stored.

        Raises:
            ModelCorruptError: there is none of this name.
        """
        if name not in self._arrays:
            raise ModelCorruptError(f"{self._path} has no {name}")
        return self._arrays[name]

    def floats(self, name: str) -> Array:
        """A whole array in float32."""
        return self.rows(name, slice(None))

    def rows(self, name: str, rows: slice | Sequence[int]) -> Array:
        """Rows of an array in float32. Codes of 8 bits have a scale for each row beside them, by
        which they are divided."""
        stored = self.get(name)
        values = stored[rows].astype(np.float32)
        return values / self.get(f"{name}_scale")[rows, None] if stored.dtype == np.int8 else values

    def _read(self) -> None:
        at = 0

        def number(form: str) -> int:
            nonlocal at
            (value,) = struct.unpack_from(form, self._data, at)
            at += struct.calcsize(form)
            return int(value)

        def text() -> str:
            nonlocal at
            length = number("<H")
            at += length
            return self._data[at - length : at].rstrip(b"\0").decode()

        version = number("<I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version} is not known")
        text()  # what kind of model it is
        number("<I")  # and the revision of that
        for _ in range(number("<I")):
            name = text()
            dims = [number("<I") for _ in range(number("<B"))]
            kind = np.dtype(_TYPES[number("<B")])
            size = number("<I")
            if at + size > len(self._data):
                raise ValueError("it ends too early")
            count = size // kind.itemsize
            self._arrays[name] = np.frombuffer(self._data, kind, count, at).reshape(dims)
            at += size
        for _ in range(number("<I")):
            alias, name = text(), text()
            self._arrays[alias] = self._arrays[name]
