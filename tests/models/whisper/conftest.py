"""Whisper with its real weights, and what its packages carry."""

from __future__ import annotations

import ctranslate2
import pytest

from streamer.models.store.catalog import WHISPER_BASE, WHISPER_TINY_EN
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.judge import Judge
from streamer.models.whisper.judge_graph import build_judge
from streamer.models.whisper.listener import WhisperListener
from streamer.models.whisper.loading import listener_folder, load_listener
from streamer.models.whisper.tokens import WhisperTokens


@pytest.fixture(scope="session")
def tokens() -> WhisperTokens:
    return WhisperTokens(Zoo().path(WHISPER_BASE.name, "tokenizer.json"))


@pytest.fixture(scope="session")
def listener() -> WhisperListener:
    return load_listener(WHISPER_BASE.name, Zoo(), threads=1)


@pytest.fixture(scope="session")
def exact_listener(
    tokens: WhisperTokens, tmp_path_factory: pytest.TempPathFactory
) -> WhisperListener:
    """The same in 32 bits, which round alike in every batch."""
    folder = listener_folder(WHISPER_BASE.name, Zoo())
    model = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    graph = tmp_path_factory.mktemp("exact") / "judge.onnx"
    build_judge(folder, graph, integer=False)
    return WhisperListener(model, Judge(folder, graph, threads=1), tokens)


@pytest.fixture(scope="session")
def english_listener() -> WhisperListener:
    return load_listener(WHISPER_TINY_EN.name, Zoo(), threads=1)
