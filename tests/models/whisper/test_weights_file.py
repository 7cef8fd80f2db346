"""Files of weights as CTranslate2 writes them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamer.models.errors import ModelCorruptError
from streamer.models.whisper.weights_file import WeightsFile


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def array(name: str, kind: int, values: npt.NDArray[Any]) -> bytes:
    dims = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    return text(name) + dims + struct.pack("<BI", kind, values.nbytes) + values.tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    arrays = [
        array("half", 4, np.array([[0.5, -2], [3, 4]], np.float16)),
        array("codes", 1, np.array([[127, -64], [10, 0]], np.int8)),
        array("codes_scale", 0, np.array([127, 10], np.float32)),
    ]
    head = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    aliases = struct.pack("<I", 1) + text("other") + text("half")
    target = tmp_path / "model.bin"
    target.write_bytes(head + b"".join(arrays) + aliases)
    return target


def test_arrays_are_read_in_every_precision(path: Path) -> None:
    weights = WeightsFile(path)
    np.testing.assert_array_equal(weights.floats("other"), [[0.5, -2], [3, 4]])
    np.testing.assert_allclose(weights.floats("codes"), np.array([[1, -64 / 127], [1, 0]]))
    np.testing.assert_allclose(weights.rows("codes", [1, 0, 1])[1], np.array([1, -64 / 127]))
    assert weights.floats("codes").dtype == weights.floats("half").dtype == np.float32
    assert "half" in weights
    assert "whole" not in weights
    with pytest.raises(ModelCorruptError, match="has no whole"):
        weights.get("whole")


def test_what_is_no_such_file_is_told(path: Path) -> None:
    whole = path.read_bytes()
    for content in (
        b"",
        b"text",
        whole[:-30],
        whole[:60],
        b"\xff" * 100,
        whole.replace(b"\6", b"\x63", 1),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelCorruptError, match="holds no weights"):
            WeightsFile(path)
