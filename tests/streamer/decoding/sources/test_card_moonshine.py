"""Any Moonshine in the batched lane: sessions say, word for word and at the same time, what graphs
in float32 say of the same random weights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers, which writes the models, is missing")

from streamer.audio.arrays import Floats
from streamer.client import StartMessage, connect
from streamer.decoding.loading import VAD_FILE, load_moonshine, load_speech
from streamer.decoding.options import DecoderOptions
from streamer.decoding.sources.card_speech import CardSpeech
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.models.errors import ModelCorruptError, NoRoomError
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.protocol.messages import Encoding, SegmentEvent, ServerEvent
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from tests.borrowed_engine import BorrowedEngine
from tests.models.tiny_speech import write_moonshine, write_moonshine_streaming
from tests.serving import ServerThread
from tests.speech_models import Clip

# Random words are unlikely; here they stand all the same.
EVIDENCE = EvidenceOptions(sure_confidence=0.0)
RECOGNIZER = RecognizerOptions(decoder=DecoderOptions(evidence=EVIDENCE))
START = StartMessage(encoding=Encoding.PCM_F32LE, emotion=False, live=False)
WRITERS: dict[str, Callable[[Path], None]] = {
    "moonshine": write_moonshine,
    "moonshine_streaming": partial(write_moonshine_streaming, hidden_size=40, head_dim=20),
}
BLOCK = 1_600

Words = list[tuple[str, int, int]]
"""Text, start and end in samples."""


@dataclass(frozen=True)
class Both:
    """Engines of one model: in the lane, and on graphs."""

    folder: Path
    lane: Engine
    graphs: Engine


@pytest.fixture(scope="module", params=sorted(WRITERS))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    folder, cache = (tmp_path_factory.mktemp(part) for part in ("model", "cache"))
    WRITERS[request.param](folder)
    options = EngineOptions(
        speech_model=str(folder),
        batched=True,
        llm=False,
        latency="low",
        max_sessions=3,
        emotion_model=None,
        recognizer=RECOGNIZER,
    )
    vad = VadModel(Zoo().path(SILERO.name, VAD_FILE))
    exact = load_moonshine(folder, str(folder), Zoo(cache), vad, integer=False)
    graphs = Engine(EngineOptions(llm=False, recognizer=RECOGNIZER), exact, None, None)
    lane = Engine.load(options)
    yield Both(folder, lane, graphs)
    lane.close()
    graphs.close()


@pytest.fixture(scope="module")
def recordings(clips: list[Clip]) -> list[Floats]:
    """One with a pause, one for longer than a window, and one more."""
    pause = np.zeros(24_000, np.float32)
    return [
        np.concatenate([clips[0].samples, pause, clips[1].samples[:40_000]]),
        clips[-1].samples[: 13 * 16_000],
        clips[2].samples[:50_000],
    ]


def heard(engine: Engine, samples: Floats) -> Words:
    blocks = (samples[at : at + BLOCK] for at in range(0, len(samples), BLOCK))
    found = transcribe(blocks, engine.recognizer(SessionOptions(), NullSpans()))
    words = [word for segment in found.segments for word in segment.words]
    return [(word.text, word.start_sample, word.end_sample) for word in words]


def test_sessions_at_once_have_the_words_and_times_of_each_alone(
    both: Both, recordings: Sequence[Floats]
) -> None:
    expected = [heard(both.graphs, samples) for samples in recordings]
    with ThreadPoolExecutor(len(recordings)) as pool:
        found = list(pool.map(partial(heard, both.lane), recordings))
    assert found == expected
    assert all(len(words) > 2 for words in found)


async def caption(url: str, samples: Floats) -> list[ServerEvent]:
    """All events; the client itself checks that no committed word changes."""
    async with connect(url, START) as client:
        assert client.ready is not None
        for at in range(0, len(samples), BLOCK):
            await client.send_audio(samples[at : at + BLOCK])
        stopping = asyncio.create_task(client.stop())
        events = [event async for event in client]
        await stopping
    return events


async def test_a_server_serves_it(both: Both, recordings: Sequence[Floats]) -> None:
    with ServerThread(real_engine=BorrowedEngine(both.lane)) as server:
        told = await asyncio.gather(*(caption(server.url, each) for each in recordings))
    for samples, events in zip(recordings, told, strict=True):
        words = [
            word for event in events if isinstance(event, SegmentEvent) for word in event.words
        ]
        expected = await asyncio.to_thread(heard, both.graphs, samples)
        assert [word.text for word in words] == [text for text, _, _ in expected]
        times = [(word.start_ms, word.end_ms) for word in words]
        np.testing.assert_allclose(
            times, [(start / 16, end / 16) for _, start, end in expected], atol=1
        )


def test_what_it_runs_on(both: Both) -> None:
    speech = both.lane.speech
    assert isinstance(speech, CardSpeech)
    assert both.lane.models["asr"] == str(both.folder)
    windowed = bool(speech.models.pools.config.windows)
    assert speech.models.encoder.frame_samples == (320 if windowed else 384)


def test_who_comes_when_all_places_are_taken_finds_none(both: Both) -> None:
    speech = both.lane.speech
    assert isinstance(speech, CardSpeech)
    pools = speech.models.pools
    held = [pools.take() for _ in range(pools.n_free)]
    with pytest.raises(NoRoomError, match="places on the card are taken"):
        both.lane.recognizer(SessionOptions(), NullSpans())
    assert len(held) >= 4


def test_a_folder_that_is_no_such_model_is_refused_as_on_a_cpu(tmp_path: Path) -> None:
    write_moonshine(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.write_text("nothing")
    with pytest.raises(ModelCorruptError, match=f"weights of {tmp_path} cannot be read"):
        load_speech(str(tmp_path), Zoo(), threads=1, batched=True)
