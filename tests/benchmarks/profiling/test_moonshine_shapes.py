from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch, which writes the random models, is not installed")

import torch
import transformers

from benchmarks.common import blocks
from benchmarks.profiling.beside import measure
from benchmarks.profiling.moonshine_shapes import same_tokens
from benchmarks.profiling.random_moonshine import library_class, shapes, write_random
from streamer.decoding.loading import load_moonshine
from streamer.decoding.speech import SpeechModels
from streamer.models.store.zoo import Zoo
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from tests.speech_models import Clip

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


def test_shapes_are_those_of_the_published_sizes() -> None:
    """Millions of weights, as they are published, with the tokens' counted once."""
    published = {
        "tiny": 27,
        "base": 61,
        "streaming tiny": 34,
        "streaming small": 123,
        "streaming medium": 245,
    }
    found = {}
    for name, config in shapes().items():
        with torch.device("meta"):
            model = library_class(config)(config)
        tokens = 0 if config.tie_word_embeddings else model.proj_out.weight.numel()
        found[name] = (sum(each.numel() for each in model.parameters()) - tokens) / 1e6
    assert found == pytest.approx(published, rel=0.03)


def test_who_goes_beside_changes_nothing_and_is_paid_for(
    speech_models: SpeechModels, clips: list[Clip], tmp_path: Path
) -> None:
    config = transformers.MoonshineStreamingConfig(
        encoder_config={**SMALL, "sliding_windows": [[16, 4], [16, 0]]},
        vocab_size=32_768,
        decoder_start_token_id=1,
        **SMALL,
    )
    theirs = write_random(config, tmp_path / "model", 0)
    folder, zoo, vad = tmp_path / "model", Zoo(tmp_path / "cache"), speech_models.vad
    beside = load_moonshine(folder, "small", zoo, vad, integer=False)
    assert same_tokens(beside, theirs, clips[0].samples[: 80 * 400])
    samples = clips[-1].samples  # long enough for its window to be cut
    spent, (text,) = measure(speech_models, beside, [samples])
    engine = Engine(EngineOptions(threads=1, llm=False), speech_models, None, None)
    try:
        recognizer = engine.recognizer(SessionOptions(decoder="draft"), NullSpans())
        assert transcribe(blocks(samples), recognizer).text == text
    finally:
        engine.close()
    assert spent.encoder > 0
    assert spent.decoder > 0
    assert spent.n_passes > len(text.split())
