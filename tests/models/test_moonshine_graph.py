from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest

from models.moonshine import BOS, EOS, HEAD_DIM, N_HEADS, N_LAYERS
from models.moonshine_decoder import NO_CACHE, DraftDecoder, together
from models.moonshine_encoder import AsrEncoder
from models.moonshine_graph import build_encode, build_graphs, build_stem, build_step
from models.ort_file import GraphFormatError, ShippedGraph
from models.runtime import open_session
from streamer.draft import DraftRequest, Prefix
from streamer.speech import SpeechModels
from streamer.wer import word_errors
from tests.speech_models import Clip, MoonshineFiles

Floats = npt.NDArray[np.float32]


class Shipped:
    """Encoder and merged decoder as their makers ship them."""

    def __init__(self, files: MoonshineFiles) -> None:
        self._encoder = open_session(files.encoder, threads=1)
        self._decoder = open_session(files.decoder, threads=1)
        self._names = [
            f"past_key_values.{layer}.{side}.{part}"
            for layer in range(N_LAYERS)
            for side in ("decoder", "encoder")
            for part in ("key", "value")
        ]

    def encode(self, samples: Floats) -> Floats:
        mask = np.ones((1, len(samples)), np.int64)
        states: Floats = self._encoder.run(
            None, {"input_values": samples[None], "attention_mask": mask}
        )[0]
        return states

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
        logits, *present = self._decoder.run(None, feed)
        if cache is not None:  # the cached branch does not hand the audio's part on
            audio_parts = [i for i, name in enumerate(self._names) if ".encoder." in name]
            for i in audio_parts:
                present[i] = cache[i]
        return logits, present

    def greedy(self, samples: Floats) -> list[int]:
        found: list[int] = []
        states = self.encode(samples)
        logits, cache = self.run(states, len(samples), [BOS], None)
        while len(found) < 80:
            token = int(logits[0, -1].argmax())
            if token == EOS:
                break
            found.append(token)
            logits, cache = self.run(states, len(samples), [token], cache)
        return found


@pytest.fixture(scope="module")
def shipped(moonshine_files: MoonshineFiles) -> Shipped:
    return Shipped(moonshine_files)


@pytest.mark.slow
def test_the_rebuilt_models_say_what_the_shipped_ones_say(
    shipped: Shipped, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    decode = speech_models.tokenizer.decode
    errors = []
    for clip in clips:
        audio = speech_models.encoder.encode(clip.samples)
        draft = speech_models.draft(DraftRequest(audio, Prefix(), (), 80))
        expected = decode(shipped.greedy(clip.samples))
        errors.append(word_errors(expected, decode([token.id for token in draft.tokens])))
    assert sum(errors[1:], errors[0]).rate <= 0.02


def test_the_rebuilt_encoder_hears_what_the_shipped_one_hears(
    shipped: Shipped, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    for clip in clips[:3]:
        expected = shipped.encode(clip.samples)[0]
        found = speech_models.encoder.encode(clip.samples).states
        assert found.shape == expected.shape
        # Both quantize activations on the fly; what rounds to the other side goes its way.
        assert np.abs(found - expected).mean() < 0.1 * np.abs(expected).mean()


def test_in_float_the_same_weights_say_the_same(
    moonshine_files: MoonshineFiles, speech_models: SpeechModels, clips: list[Clip], tmp_path: Path
) -> None:
    build_graphs(moonshine_files.encoder, moonshine_files.decoder, tmp_path, integer=False)
    encoder, decoder = AsrEncoder(tmp_path), DraftDecoder(tmp_path)
    samples = clips[-1].samples
    audio = speech_models.encoder.encode(samples)
    exact = encoder.encode(samples)
    assert np.abs(exact.states - audio.states).mean() < 0.1 * np.abs(exact.states).mean()
    tokens = [
        token.id for token in speech_models.draft(DraftRequest(audio, Prefix(), (), 80)).tokens
    ]
    fed = [BOS, *tokens]
    (found,) = decoder.run(together([exact]), [fed], [NO_CACHE], n_scored=len(fed))
    assert (found.tokens[:-1, 0] == np.array(tokens)).mean() > 0.95


def test_the_graphs_are_sound_onnx(moonshine_files: MoonshineFiles, tmp_path: Path) -> None:
    build_graphs(moonshine_files.encoder, moonshine_files.decoder, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["encode.onnx", "stem.onnx", "step.onnx"]
    for name in names:
        path = tmp_path / name
        assert {o.domain for o in onnx.load(path).opset_import} == {"", "com.microsoft"}
        ort.InferenceSession(str(path))


def test_another_models_file_is_refused(moonshine_files: MoonshineFiles, tmp_path: Path) -> None:
    encoder = ShippedGraph(moonshine_files.encoder)
    decoder = ShippedGraph(moonshine_files.decoder)
    with pytest.raises(GraphFormatError, match=r"encoder_model.ort has no"):
        build_step(encoder, tmp_path / "step.onnx")
    with pytest.raises(GraphFormatError, match=r"decoder_model_merged.ort has no"):
        build_stem(decoder, tmp_path / "stem.onnx")
    with pytest.raises(GraphFormatError, match=r"has no"):
        build_encode(decoder, encoder, tmp_path / "encode.onnx")
    assert not list(tmp_path.iterdir())
