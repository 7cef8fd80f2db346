from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest

from models.moonshine import ALIGNMENT_HEADS, BOS, EOS, HEAD_DIM, N_HEADS, N_LAYERS
from models.moonshine_graph import GraphFormatError, build_cross_kv, build_step
from models.runtime import open_session
from streamer.recognizer import SpeechModels
from tests.speech_models import Clip, MoonshineFiles, attend, greedy

Floats = npt.NDArray[np.float32]


class ShippedDecoder:
    """The merged decoder as its makers ship it."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, threads=1)
        self._names = [
            f"past_key_values.{layer}.{side}.{part}"
            for layer in range(N_LAYERS)
            for side in ("decoder", "encoder")
            for part in ("key", "value")
        ]

    def run(
        self, states: Floats, n_samples: int, tokens: list[int], cache: list[Floats] | None
    ) -> tuple[Floats, list[Floats]]:
        empty = np.zeros((1, N_HEADS, 0, HEAD_DIM), np.float32)
        past = cache or [empty] * len(self._names)
        feed: dict[str, npt.NDArray[np.generic]] = {
            "input_ids": np.array([tokens], np.int64),
            "encoder_hidden_states": states,
            "encoder_attention_mask": np.ones((1, n_samples), np.int64),
            "use_cache_branch": np.array([cache is not None]),
        }
        feed.update(zip(self._names, past, strict=True))
        logits, *present = self._session.run(None, feed)
        if cache is not None:  # the cached branch does not hand the audio's part on
            audio_parts = [i for i, name in enumerate(self._names) if ".encoder." in name]
            for i in audio_parts:
                present[i] = cache[i]
        return logits, present

    def greedy(self, states: Floats, n_samples: int) -> list[int]:
        found: list[int] = []
        logits, cache = self.run(states, n_samples, [BOS], None)
        while len(found) < 80:
            token = int(logits[0, -1].argmax())
            if token == EOS:
                break
            found.append(token)
            logits, cache = self.run(states, n_samples, [token], cache)
        return found


@pytest.fixture(scope="module")
def shipped(moonshine_files: MoonshineFiles) -> ShippedDecoder:
    return ShippedDecoder(moonshine_files.decoder)


@pytest.mark.slow
def test_the_rebuilt_decoder_says_what_the_shipped_one_says(
    shipped: ShippedDecoder, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    differing = []
    for clip in clips:
        states = speech_models.encoder.encode(clip.samples)
        expected = shipped.greedy(states, len(clip.samples))
        if greedy(speech_models, speech_models.decoder.attend_to(states)) != expected:
            differing.append(clip.name)
    assert not differing


def test_one_full_pass_gives_the_shipped_logits(
    shipped: ShippedDecoder, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    samples = clips[-1].samples
    states = speech_models.encoder.encode(samples)
    tokens = [BOS, *greedy(speech_models, speech_models.decoder.attend_to(states))]
    expected, _ = shipped.run(states, len(samples), tokens, None)
    out = speech_models.decoder.run(
        speech_models.decoder.attend_to(states),
        np.array([tokens], np.int64),
        speech_models.decoder.empty_cache(),
    )
    assert out.logits.shape == expected.shape
    np.testing.assert_array_equal(out.logits.argmax(-1), expected.argmax(-1))
    # Both quantize activations on the fly; a rounding may fall to the other side.
    assert float(np.abs(out.logits - expected).mean()) < 0.05
    assert float(np.abs(out.logits - expected).max()) < 2.0


def test_the_alignment_is_the_attention_of_the_chosen_heads(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    tokens = np.array([[BOS, 5, 6, 7]], np.int64)
    out = speech_models.decoder.run(audio, tokens, speech_models.decoder.empty_cache())
    assert out.alignment.shape == (1, 4, audio.n_frames)
    np.testing.assert_allclose(out.alignment.sum(-1), 1.0, rtol=1e-5)
    assert [part.shape for part in out.cache] == [(1, N_HEADS, 4, HEAD_DIM)] * 2 * N_LAYERS


def test_the_graphs_are_sound_onnx(moonshine_files: MoonshineFiles, tmp_path: Path) -> None:
    build_cross_kv(moonshine_files.decoder, tmp_path / "cross.onnx")
    build_step(moonshine_files.decoder, tmp_path / "step.onnx", list(ALIGNMENT_HEADS))
    for name in ("cross.onnx", "step.onnx"):
        path = tmp_path / name
        assert {o.domain for o in onnx.load(path).opset_import} == {"", "com.microsoft"}
        ort.InferenceSession(str(path))


def test_another_models_file_is_refused(moonshine_files: MoonshineFiles, tmp_path: Path) -> None:
    with pytest.raises(GraphFormatError, match="the decoder has no"):
        build_step(moonshine_files.encoder, tmp_path / "step.onnx", list(ALIGNMENT_HEADS))
    with pytest.raises(GraphFormatError, match="the decoder has no"):
        build_cross_kv(moonshine_files.encoder, tmp_path / "cross.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_lost_a_weight_is_refused(
    moonshine_files: MoonshineFiles, tmp_path: Path
) -> None:
    name = b"model.decoder.layers.5.mlp.fc2.bias_merged_0"
    broken = tmp_path / "decoder.ort"
    broken.write_bytes(moonshine_files.decoder.read_bytes().replace(name, b"x" + name[1:], 1))
    with pytest.raises(
        GraphFormatError, match=r"the decoder has no weight '.odel.decoder.layers.5"
    ):
        build_step(broken, tmp_path / "step.onnx", list(ALIGNMENT_HEADS))


@pytest.mark.parametrize("content", [b"", b"OR", b"no model at all" * 100])
def test_garbage_is_refused(content: bytes, tmp_path: Path) -> None:
    garbage = tmp_path / "decoder.ort"
    garbage.write_bytes(content)
    with pytest.raises(GraphFormatError, match="not an ONNX Runtime format file"):
        build_cross_kv(garbage, tmp_path / "out.onnx")
