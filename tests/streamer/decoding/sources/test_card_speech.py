"""Sessions on the batched models, through the engine, on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamer.audio.arrays import Floats
from streamer.audio.files import DEFAULT_BLOCK_SAMPLES
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import Transcription, transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.wer import word_errors
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def batched() -> Iterator[Engine]:
    engine = Engine.load(EngineOptions(batched=True, llm=False, max_sessions=9))
    yield engine
    engine.close()


def heard(engine: Engine, samples: Floats) -> Transcription:
    blocks = (
        samples[at : at + DEFAULT_BLOCK_SAMPLES]
        for at in range(0, len(samples), DEFAULT_BLOCK_SAMPLES)
    )
    recognizer = engine.recognizer(SessionOptions(decoder="draft"), NullSpans())
    return transcribe(blocks, recognizer)


@pytest.mark.slow
def test_the_bundled_minute_has_the_same_words(batched: Engine, clips: list[Clip]) -> None:
    """All recordings at once on the batched models; one by one with ONNX Runtime."""
    samples = [clip.samples for clip in clips]
    with ThreadPoolExecutor(len(samples)) as pool:
        found = list(pool.map(lambda each: heard(batched, each), samples))
    engine = Engine.load(EngineOptions(llm=False))
    expected = [heard(engine, each) for each in samples]
    engine.close()
    for ours, theirs in zip(found, expected, strict=True):
        # The other one rounds to 8 bits on its way, which here and there moves a mark.
        assert word_errors(theirs.text, ours.text).rate == 0, (ours.text, theirs.text)
        emotions = [segment.emotion.label for segment in ours.segments if segment.emotion]
        assert emotions == [s.emotion.label for s in theirs.segments if s.emotion]
