"""Against the `gguf` package, which writes and reads the same files."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from streamer.models.llm.gguf_file import GgufFormatError, read_gguf
from tests.models.llm.tiny_gguf import PIECES, random_tensors, write_gguf

KINDS = gguf.GGMLQuantizationType


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_gguf(tmp_path / "tiny.gguf", random_tensors())
    return tmp_path / "tiny.gguf"


def test_fields_and_tensors_are_those_that_the_package_reads(path: Path) -> None:
    ours, theirs = read_gguf(path), gguf.GGUFReader(path)
    fields = {name: f.contents() for name, f in theirs.fields.items() if "GGUF." not in name}
    assert ours.fields.keys() == fields.keys()
    for name, value in fields.items():
        assert np.array_equal(ours.fields[name], value), name
    assert ours.fields["tokenizer.ggml.tokens"] == PIECES
    assert [tensor.name for tensor in ours.tensors] == [t.name for t in theirs.tensors]
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        expected = gguf.quants.dequantize(other.data, other.tensor_type)
        np.testing.assert_array_equal(mine.dequantized(), expected)
        assert mine.shape == expected.shape


@pytest.mark.parametrize("kind", [KINDS.Q5_0, KINDS.Q8_0, KINDS.F16, KINDS.F32])
@pytest.mark.parametrize("shape", [(3, 64), (1000, 96), (64,)])
def test_rows_are_dequantized_alike_however_many_share_a_step(
    kind: gguf.GGMLQuantizationType, shape: tuple[int, ...], tmp_path: Path
) -> None:
    values = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    quantized = gguf.quants.quantize(values, kind)
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "gemma3")
    writer.add_tensor("one", quantized, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = read_gguf(tmp_path / "one.gguf").tensors
    expected = gguf.quants.dequantize(quantized, kind)
    np.testing.assert_array_equal(tensor.dequantized(), expected)
    tensor.dequantized()[:] = 0  # a copy: the file is not touched


@pytest.mark.parametrize("kept", [6, 20, 60, 300, 700, -1])
def test_a_file_that_is_cut_short_is_refused(kept: int, path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with pytest.raises(GgufFormatError, match="cannot be read as GGUF"):
        read_gguf(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"PK\x03\x04 something")
    with pytest.raises(GgufFormatError, match="other is not a GGUF file"):
        read_gguf(tmp_path / "other")
    (tmp_path / "next").write_bytes(b"GGUF\x09\x00\x00\x00")
    with pytest.raises(GgufFormatError, match="version 9"):
        read_gguf(tmp_path / "next")
