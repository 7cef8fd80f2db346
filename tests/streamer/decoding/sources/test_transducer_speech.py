"""A streaming transducer behind a real server: sessions say what the library makes it say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.client import StartMessage, connect
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.protocol.messages import Encoding, SegmentEvent, ServerEvent, WordsEvent
from streamer.recognition.engine import VAD_MODEL, Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from tests.borrowed_engine import BorrowedEngine
from tests.serving import ServerThread
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

from tests.models.tiny_transducer import Library, n_chunks, write_transducer

if not hasattr(transformers, "NemotronAsrStreamingForRNNT"):
    pytest.skip("this transformers has no streaming transducer", allow_module_level=True)

LOOK_AHEAD = 1
SILENCE = SAMPLE_RATE * 320 // 1_000
"""That is thought behind a segment which the client ends."""
START = StartMessage(encoding=Encoding.PCM_F32LE, emotion=False, live=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transducer")
    write_transducer(folder, blank=3.0)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    # Random words are unlikely, and come when nobody speaks; here they stand all the same.
    evidence = EvidenceOptions(sure_confidence=0.0, speech_threshold=0.0)
    decoder = DecoderOptions(evidence=evidence)
    options = EngineOptions(
        speech_model=str(folder),
        latency="low",
        max_sessions=3,
        emotion_model=None,
        recognizer=RecognizerOptions(decoder=decoder),
    )
    engine = Engine.load(options)
    yield engine
    engine.close()


async def caption(url: str, samples: Floats) -> list[ServerEvent]:
    """All events; the client itself checks that no committed word changes."""
    async with connect(url, START) as client:
        for at in range(0, len(samples), 1_600):
            await client.send_audio(samples[at : at + 1_600])
        stopping = asyncio.create_task(client.stop())
        events = [event async for event in client]
        await stopping
    return events


async def test_sessions_say_what_the_library_says(
    engine: Engine, folder: Path, clips: list[Clip]
) -> None:
    pause = np.zeros(SAMPLE_RATE + 123, np.float32)
    recordings = [
        np.concatenate([clips[0].samples, pause, clips[1].samples]),
        clips[2].samples,
        clips[0].samples,
    ]
    with ServerThread(real_engine=BorrowedEngine(engine)) as server:
        heard = await asyncio.gather(*(caption(server.url, each) for each in recordings))
    library = Library(folder)
    for samples, events in zip(recordings, heard, strict=True):
        segments = [event for event in events if isinstance(event, SegmentEvent)]
        assert segments
        for segment in segments:
            start, end = (
                round(ms * SAMPLE_RATE / 1_000) for ms in (segment.start_ms, segment.end_ms)
            )
            silence = 0 if segment.cause == "silence" else SILENCE
            chunks = n_chunks(end - start, LOOK_AHEAD, silence)
            said = library.offline(samples[start:end], LOOK_AHEAD, chunks)
            assert segment.text == library.text(said)
            assert len(segment.words) > 2
            times = [(word.start_ms, word.end_ms) for word in segment.words]
            assert times == sorted(times)
    assert (
        len(
            {event.cause for events in heard for event in events if isinstance(event, SegmentEvent)}
        )
        == 2
    )


async def test_words_stand_while_they_are_spoken(engine: Engine, clips: list[Clip]) -> None:
    with ServerThread(real_engine=BorrowedEngine(engine)) as server:
        events = await caption(server.url, clips[2].samples)
    updates = [event for event in events if isinstance(event, WordsEvent)]
    committed = [w for event in updates for w in event.words if w.state != "tentative"]
    before_the_end = [[word.state for word in event.words] for event in updates[:-2] if event.words]
    # All but the last word of an update stand.
    assert all("tentative" not in states[:-1] for states in before_the_end)
    assert any("tentative" in states for states in before_the_end)
    assert len(committed) > 3


def test_what_it_runs_on(engine: Engine, folder: Path) -> None:
    assert engine.models == {"asr": str(folder), "vad": VAD_MODEL}
    # It knows no hypotheses that an LLM could choose from.
    assert engine.llm is None
    assert engine.default_decoder == "draft"
