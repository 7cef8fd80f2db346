"""A model of the tests' own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streamer.models.store.catalog import ModelEntry, ModelFile, PackagedFile
from streamer.models.store.zoo import Zoo

WHOLE = b"weights " * 1000
HALVES = (WHOLE[:3000], WHOLE[3000:])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that ships weights, and fails if it is ever imported."""
    folder = tmp_path / "site" / "toy_weights"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "data" / "whole.bin").write_bytes(WHOLE)
    for i, half in enumerate(HALVES):
        (folder / "data" / f"joined.bin.part{i}").write_bytes(half)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


@pytest.fixture
def entry() -> ModelEntry:
    parts = tuple(PackagedFile("toy_weights", f"data/joined.bin.part{i}") for i in (0, 1))
    return ModelEntry(
        name="toy",
        kind="toy",
        licence="MIT",
        source="the tests",
        install="pip install toy-weights",
        files=(
            ModelFile("whole.bin", digest(WHOLE), (PackagedFile("toy_weights", "data/whole.bin"),)),
            ModelFile("joined.bin", digest(WHOLE), parts),
        ),
    )


@pytest.fixture
def zoo(tmp_path: Path, entry: ModelEntry) -> Zoo:
    return Zoo(tmp_path / "cache", catalog=(entry,))
