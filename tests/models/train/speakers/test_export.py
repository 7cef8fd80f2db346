"""The graph says what the network says that its weights were taken from."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.models.speakers.encoder import VoiceEncoder
from streamer.models.speakers.features import mel_frames
from streamer.models.train.speakers.export import export_onnx, read_weights


@pytest.mark.slow
def test_the_graph_gives_the_network_s_vectors(tmp_path: Path) -> None:
    torch.manual_seed(3)
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    state = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    state |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    stored = io.BytesIO()
    torch.save({"model_state": state}, stored)
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w") as package:
        package.writestr("resemblyzer/pretrained.pt", stored.getvalue())
    encoder = VoiceEncoder(export_onnx(read_weights(wheel), tmp_path / "speakers.onnx"))

    windows = [read_samples(clip.path)[4_000:29_600] for clip in bundled_speech()]
    with torch.no_grad():
        _, (newest, _) = lstm(torch.from_numpy(np.stack([mel_frames(w) for w in windows])))
        voices = torch.relu(linear(newest[-1]))
        expected = (voices / voices.norm(dim=1, keepdim=True)).numpy()
    assert (encoder.embed(windows) * expected).sum(axis=1).min() > 0.999
