from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.models.onnx.runtime import open_session
from streamer.models.train.emotion.moonshine_init import EncoderFileError, load_moonshine_encoder
from streamer.models.train.emotion.net import EmotionNetConfig, SpeechEncoder, n_frames
from streamer.models.train.emotion.train import find_encoder


@pytest.fixture(scope="module")
def shipped() -> Path:
    try:
        return find_encoder()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_port_gives_what_the_shipped_encoder_gives(shipped: Path) -> None:
    encoder = SpeechEncoder(EmotionNetConfig(n_layers=6)).eval()
    encoder.load_state_dict(load_moonshine_encoder(shipped, 6))
    rng = np.random.default_rng(0)
    at = np.arange(32_000) / 16_000
    wave = 0.2 * np.sin(2 * np.pi * 180 * at) * np.sin(6 * at) + 0.01 * rng.standard_normal(32_000)
    samples = wave.astype(np.float32)
    feed = {"input_values": samples[None], "attention_mask": np.ones((1, 32_000), np.int64)}
    theirs = open_session(shipped, threads=1).run(None, feed)[0][0]
    with torch.inference_mode():
        last = encoder(encoder.stem(torch.from_numpy(samples)[None]))[-1]
        ours = torch.nn.functional.layer_norm(last, (288,))[0].numpy()
    assert ours.shape == theirs.shape == (n_frames(32_000), 288)
    # The shipped one quantizes activations to 8 bits and scales its final norm: alike, not equal.
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.8


def test_fewer_layers_may_be_taken(shipped: Path) -> None:
    state = load_moonshine_encoder(shipped, 1)
    SpeechEncoder(EmotionNetConfig(n_layers=1)).load_state_dict(state)
    with pytest.raises(ValueError, match="7 were asked for"):
        load_moonshine_encoder(shipped, 7)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.ort"
    path.write_bytes(b"\0" * 64)
    with pytest.raises(EncoderFileError, match="not an ONNX Runtime"):
        load_moonshine_encoder(path, 1)
