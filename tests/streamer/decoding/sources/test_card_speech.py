"""Sessions on the batched models, through the engine, on a CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.audio.arrays import Floats
from streamer.audio.files import DEFAULT_BLOCK_SAMPLES
from streamer.client import StartMessage, connect
from streamer.protocol.messages import Encoding
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.speakers.enrolment import NoVoiceError
from streamer.recognition.transcribe import Transcription, transcribe
from streamer.runtime.deadline_executor import EngineClosedError
from streamer.runtime.tracing import NullSpans
from streamer.transcript.wer import word_errors
from tests.serving import ServerThread
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def batched() -> Iterator[Engine]:
    engine = Engine.load(EngineOptions(batched=True, llm=False, max_sessions=9))
    yield engine
    engine.close()


async def test_the_trace_tells_encoder_and_emotion_side_by_side(
    batched: Engine, clips: list[Clip], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.json"
    engine = batched.with_options(batched.options)
    with ServerThread(ServerOptions(trace=trace), real_engine=engine) as server:
        start = StartMessage(encoding=Encoding.PCM_F32LE, live=False)
        async with connect(server.url, start) as client:
            await client.send_audio(clips[0].samples)
            await client.stop()
    events = json.loads(trace.read_text())
    (process,) = (
        e["pid"] for e in events if e["name"] == "process_name" and e["args"]["name"] == "cpu"
    )
    rows = {
        e["args"]["name"]: e["tid"]
        for e in events
        if e["name"] == "thread_name" and e["pid"] == process
    }
    assert {"speech", "emotion", "vad"} <= rows.keys()
    spans = {
        row: [
            (e["ts"], e["ts"] + e["dur"], e["name"])
            for e in events
            if e["ph"] == "X" and e["pid"] == process and e["tid"] == tid
        ]
        for row, tid in rows.items()
    }
    assert {name for _, _, name in spans["speech"]} == {"CardEncoder", "CardDecoder"}
    assert {name for _, _, name in spans["emotion"]} == {"CardEmotion"}
    for row in spans.values():
        # A queue does one thing at a time.
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(row)))
    # The emotion is told while the speech models work on the same step.
    assert any(
        begin < other_end and other_begin < end
        for begin, end, _ in spans["emotion"]
        for other_begin, other_end, _ in spans["speech"]
    )


def test_what_is_asked_waits_for_company_as_long_as_it_is_told(batched: Engine) -> None:
    engine = batched.with_options(replace(batched.options, batch_wait_ms=3_600_000))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(engine.voice_print, np.zeros(32_000, np.float32))
        with pytest.raises(TimeoutError):
            asked.result(0.2)
        engine.close()  # that ends the wait
        assert isinstance(asked.exception(10), NoVoiceError | EngineClosedError)


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
