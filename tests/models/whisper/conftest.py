"""Whisper with its real weights, and what its packages carry."""

from __future__ import annotations

import pytest

from streamer.models.store.catalog import WHISPER_BASE, WHISPER_TINY_EN
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.listener import WhisperListener
from streamer.models.whisper.loading import load_listener
from streamer.models.whisper.tokens import WhisperTokens


@pytest.fixture(scope="session")
def tokens() -> WhisperTokens:
    return WhisperTokens(Zoo().path(WHISPER_BASE.name, "tokenizer.json"))


@pytest.fixture(scope="session")
def listener() -> WhisperListener:
    return load_listener(WHISPER_BASE.name, Zoo(), threads=1)


@pytest.fixture(scope="session")
def english_listener() -> WhisperListener:
    return load_listener(WHISPER_TINY_EN.name, Zoo(), threads=1)
