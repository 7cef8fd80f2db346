"""Reads GGUF, the file format of llama.cpp's models (version 3).

The `gguf` package reads it too, but makes an array of each of a vocabulary's million numbers and
strings, which takes twenty seconds. What it knows of quantization is used.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats

_MAGIC: Final = b"GGUF"
_VERSION: Final = 3
_LENGTH: Final = struct.Struct("<Q")
_STRING, _ARRAY = 8, 9
_NUMBERS: Final = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""The format's types -> those of `struct` and numpy."""
_DEFAULT_ALIGNMENT: Final = 32
_ROW_VALUES: Final = 65_536
"""What `gguf` takes for a row; short ones would cost more in Python than in numpy."""
_ROWS_AT_ONCE: Final = 4
"""So that what it makes meanwhile is small: memory that was never touched costs time."""


class GgufFormatError(ValueError):
    """The file is not a GGUF file, or not that of the wanted model."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor as it lies in the file."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    data: npt.NDArray[np.uint8]

    def dequantized(self) -> Floats:
        """The values `[*shape]`; an array of the caller's own."""
        if self.kind == gguf.GGMLQuantizationType.F32:
            return self.data.view("<f4").reshape(self.shape).astype(np.float32)
        n_values = math.prod(self.shape)
        # Blocks know nothing of rows: several rows make one.
        n_rows = n_values // self.shape[-1]
        together = math.gcd(n_rows, 1 << max(0, (_ROW_VALUES // self.shape[-1]).bit_length() - 1))
        rows = self.data.reshape(n_rows // together, -1)
        values = np.empty((len(rows), n_values // len(rows)), np.float32)
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            some = slice(at, at + _ROWS_AT_ONCE)
            values[some] = gguf.quants.dequantize(rows[some], self.kind)
        return values.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class GgufFile:
    fields: Mapping[str, Any]
    """Numbers, strings and booleans; arrays of numbers as numpy's, of others as lists."""
    tensors: tuple[GgufTensor, ...]


def read_gguf(path: Path) -> GgufFile:
    """Opens a file; the tensors are read when they are looked at.

    Raises:
        GgufFormatError: it is none, of another version, or cut short.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise GgufFormatError(f"{path.name} is not a GGUF file")
    content = np.memmap(path, np.uint8, mode="r")
    try:
        return _parse(_Cursor(content.data, len(_MAGIC)), content)
    except (struct.error, ValueError, KeyError) as error:
        raise GgufFormatError(f"{path.name} cannot be read as GGUF ({error})") from error


def _parse(cursor: _Cursor, content: npt.NDArray[np.uint8]) -> GgufFile:
    version = cursor.number("I")
    if version != _VERSION:
        raise ValueError(f"version {version}")
    n_tensors, n_fields = cursor.number("Q"), cursor.number("Q")
    fields = {cursor.string(): cursor.value(cursor.number("I")) for _ in range(n_fields)}
    found = [_tensor_header(cursor) for _ in range(n_tensors)]
    alignment = fields.get("general.alignment", _DEFAULT_ALIGNMENT)
    start = math.ceil(cursor.at / alignment) * alignment
    tensors = []
    for name, shape, kind, offset in found:
        block_values, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        size = math.prod(shape) // block_values * block_bytes
        data = content[start + offset : start + offset + size]
        if len(data) != size:
            raise ValueError(f"{name} is cut short")
        tensors.append(GgufTensor(name, shape, kind, data))
    return GgufFile(fields, tuple(tensors))


def _tensor_header(
    cursor: _Cursor,
) -> tuple[str, tuple[int, ...], gguf.GGMLQuantizationType, int]:
    name = cursor.string()
    # The format names the innermost dimension first.
    dimensions = [cursor.number("Q") for _ in range(cursor.number("I"))]
    kind = gguf.GGMLQuantizationType(cursor.number("I"))
    return name, tuple(reversed(dimensions)), kind, cursor.number("Q")


@dataclass(slots=True)
class _Cursor:
    """Reads one thing after another; `struct.error` and ValueError tell of the end."""

    content: memoryview
    at: int

    def number(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.content, self.at)
        self.at += struct.calcsize(f"<{code}")
        return value

    def string(self) -> str:
        (length,) = _LENGTH.unpack_from(self.content, self.at)
        start, self.at = self.at + _LENGTH.size, self.at + _LENGTH.size + length
        if self.at > len(self.content):
            raise ValueError("a string is cut short")
        return str(self.content[start : self.at], "utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_NUMBERS[kind])
        of, length = self.number("I"), self.number("Q")
        if of == _STRING:
            return [self.string() for _ in range(length)]
        if of == _ARRAY:
            return [self.value(of) for _ in range(length)]
        values = np.frombuffer(self.content, f"<{_NUMBERS[of]}", length, self.at)
        self.at += values.nbytes
        return values
