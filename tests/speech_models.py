"""Fixtures with the real speech models, without the LLM; small enough to load in a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine import tokenizer as moonshine
from streamer.models.moonshine.contract import Audio, TokenCache
from streamer.models.moonshine.decoder import NO_CACHE, DraftDecoder
from streamer.models.moonshine.encoder import AsrEncoder, EncodedAudio, EncoderStream
from streamer.models.moonshine.graph import build_graphs
from streamer.models.moonshine.tokenizer import BOS, EOS, Tokenizer
from streamer.models.silero import VadModel
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import ASR_MODEL, VAD_MODEL


@dataclass(frozen=True)
class MoonshineFiles:
    encoder: Path
    decoder: Path
    tokenizer: Path
    graphs: Path


@dataclass(frozen=True)
class Clip:
    name: str
    text: str
    samples: Floats


@pytest.fixture(scope="session")
def moonshine_files() -> MoonshineFiles:
    zoo = Zoo()
    encoder = zoo.path(ASR_MODEL, "encoder_model.ort")
    decoder = zoo.path(ASR_MODEL, "decoder_model_merged.ort")
    return MoonshineFiles(
        encoder,
        decoder,
        zoo.path(ASR_MODEL, "tokenizer.bin"),
        zoo.derived(
            ASR_MODEL, lambda to, _: build_graphs(encoder, decoder, to), moonshine.GRAPH_VERSION
        ),
    )


@pytest.fixture(scope="session")
def speech_models(moonshine_files: MoonshineFiles) -> SpeechModels:
    return SpeechModels(
        AsrEncoder(moonshine_files.graphs),
        DraftDecoder(moonshine_files.graphs),
        Tokenizer.read(moonshine_files.tokenizer),
        VadModel(Zoo().path(VAD_MODEL, "silero_vad_16k_sequence.onnx")),
    )


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """The bundled recordings, shortest first."""
    loaded = [Clip(c.path.name, c.text, read_samples(c.path)) for c in bundled_speech()]
    return sorted(loaded, key=lambda clip: len(clip.samples))


def asr_encoder(models: SpeechModels) -> AsrEncoder:
    """The project's own."""
    assert isinstance(models.encoder, AsrEncoder)
    return models.encoder


def attend(models: SpeechModels, samples: Floats) -> EncodedAudio:
    """The whole of the samples, encoded at once."""
    stream = EncoderStream()
    models.encoder.listen(stream, samples)
    audio = models.encoder.audio(stream, len(samples), afresh=True)
    assert isinstance(audio, EncodedAudio)
    return audio


def greedy(models: SpeechModels, audio: Audio, max_tokens: int = 80) -> list[int]:
    """Token by token from nothing; the end token is left out."""
    found: list[int] = []
    fed = BOS
    cache: TokenCache = NO_CACHE
    while len(found) < max_tokens:
        (out,) = models.decoder.run(models.decoder.together([audio]), [[fed]], [cache])
        fed, cache = int(out.tokens[0, 0]), out.cache
        if fed == EOS:
            break
        found.append(fed)
    return found


def offline(models: SpeechModels, samples: Floats) -> str:
    """What the decoder makes of the whole recording at once."""
    return models.tokenizer.decode(greedy(models, attend(models, samples)))
