"""The small models in PyTorch, on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.models.moonshine.weights import read_shipped
from streamer.models.store.catalog import EMOTION, SILERO
from streamer.models.store.zoo import Zoo
from tests.speech_models import MoonshineFiles

pytest.importorskip("torch", reason="PyTorch is not installed")

from streamer.models.card.device import Card
from streamer.models.card.emotion import CardEmotion
from streamer.models.card.loading import CardModels, load_card_models
from streamer.models.card.vad import CardVad


@pytest.fixture(scope="session")
def card() -> Card:
    return Card("cpu")


@pytest.fixture(scope="session")
def vad_file() -> Path:
    return Zoo().path(SILERO.name, "silero_vad_16k_sequence.onnx")


@pytest.fixture(scope="session")
def emotion_file() -> Path:
    return Zoo().path(EMOTION.name, "emotion.onnx")


@pytest.fixture(scope="session")
def on_card(moonshine_files: MoonshineFiles, vad_file: Path, card: Card) -> CardModels:
    weights = read_shipped(moonshine_files.encoder, moonshine_files.decoder)
    return load_card_models(weights, vad_file, card, n_sessions=4)


@pytest.fixture(scope="session")
def card_vad(vad_file: Path, card: Card) -> CardVad:
    return CardVad(vad_file, card, card.queue())


@pytest.fixture(scope="session")
def card_emotion(emotion_file: Path, card: Card) -> CardEmotion:
    return CardEmotion(emotion_file, card, card.queue())
