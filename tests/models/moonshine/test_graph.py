from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from benchmarks.quality.shipped_moonshine import ShippedMoonshine
from streamer.decoding.draft import DraftRequest, Prefix
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.decoder import NO_CACHE, DraftDecoder, together
from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.moonshine.encoder import AsrEncoder
from streamer.models.moonshine.encoder_weights import EncoderWeights
from streamer.models.moonshine.graph import build_graphs
from streamer.models.moonshine.tokenizer import BOS
from streamer.models.onnx.ort_file import GraphFormatError, ShippedGraph
from streamer.transcript.wer import word_errors
from tests.speech_models import Clip, MoonshineFiles, asr_encoder


@pytest.fixture(scope="module")
def shipped(moonshine_files: MoonshineFiles) -> ShippedMoonshine:
    return ShippedMoonshine(moonshine_files.encoder, moonshine_files.decoder)


@pytest.mark.slow
def test_the_rebuilt_models_say_what_the_shipped_ones_say(
    shipped: ShippedMoonshine, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    decode = speech_models.tokenizer.decode
    errors = []
    for clip in clips:
        audio = asr_encoder(speech_models).encode(clip.samples)
        draft = speech_models.draft(DraftRequest(audio, Prefix(), (), 80))
        expected = decode(shipped.decode(shipped.encode(clip.samples), len(clip.samples), 80))
        errors.append(word_errors(expected, decode([token.id for token in draft.tokens])))
    assert sum(errors[1:], errors[0]).rate <= 0.02


def test_the_rebuilt_encoder_hears_what_the_shipped_one_hears(
    shipped: ShippedMoonshine, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    for clip in clips[:3]:
        expected = shipped.encode(clip.samples)[0]
        found = asr_encoder(speech_models).encode(clip.samples).states
        assert found.shape == expected.shape
        # Both quantize activations on the fly; what rounds to the other side goes its way.
        assert np.abs(found - expected).mean() < 0.1 * np.abs(expected).mean()


def test_in_float_the_same_weights_say_the_same(
    moonshine_files: MoonshineFiles, speech_models: SpeechModels, clips: list[Clip], tmp_path: Path
) -> None:
    build_graphs(moonshine_files.encoder, moonshine_files.decoder, tmp_path, integer=False)
    encoder, decoder = AsrEncoder(tmp_path), DraftDecoder(tmp_path)
    samples = clips[-1].samples
    audio = asr_encoder(speech_models).encode(samples)
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
        DecoderWeights.read(encoder)
    with pytest.raises(GraphFormatError, match=r"decoder_model_merged.ort has no"):
        EncoderWeights.read(decoder)
    with pytest.raises(GraphFormatError, match=r"has no"):
        build_graphs(moonshine_files.decoder, moonshine_files.decoder, tmp_path)
    assert not list(tmp_path.iterdir())
