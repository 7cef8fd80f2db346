"""A Whisper of the transformers library as second listener of sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamer.audio.files import DEFAULT_BLOCK_SAMPLES
from streamer.decoding.decision.second_listener import ListenerLane
from streamer.decoding.sources.listener import load_second_listener
from streamer.models.errors import ModelMissingError
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.contract import ListenRequest
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.batcher import Batcher
from streamer.runtime.tracing import NullSpans
from tests.models.questions import score
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from streamer.models.card.whisper.listener import CardListener
from tests.models.tiny_whisper import write_listener


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    write_listener(folder)
    return folder


def test_sessions_hear_together_what_each_hears_alone(folder: Path, clips: list[Clip]) -> None:
    listener = load_second_listener(str(folder), Zoo(), threads=1, n_sessions=3)
    assert isinstance(listener, CardListener)
    requests = [ListenRequest(c.samples, "de", n_best=3, beam_width=5) for c in clips[:3]]
    batcher = Batcher(2, "model")
    lane = ListenerLane(listener, batcher)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lane.hear, requests))
        texts = [[each.text for each in hearing.hypotheses] for hearing in together]
        scores = list(pool.map(lane.score, together, texts))
    alone = [lane.hear(request) for request in requests[:1]]
    lane.close()
    batcher.close()
    assert [h.text for h in alone[0].hypotheses] == texts[0]
    assert scores[0] == pytest.approx(score(listener, alone[0], texts[0]), abs=1e-3)


def test_it_is_the_ear_of_another_language(folder: Path, clips: list[Clip]) -> None:
    options = EngineOptions(
        listener=str(folder), languages=True, llm=False, emotion_model=None, max_sessions=1
    )
    engine = Engine.load(options)
    assert engine.models["listener"] == str(folder)
    assert set(engine.languages) == {"de", "en", "fr"}
    samples = clips[0].samples
    blocks = (
        samples[at : at + DEFAULT_BLOCK_SAMPLES]
        for at in range(0, len(samples), DEFAULT_BLOCK_SAMPLES)
    )
    recognizer = engine.recognizer(SessionOptions(language="de"), NullSpans())
    heard = transcribe(blocks, recognizer)
    engine.close()
    assert heard.segments


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="is not complete"):
        load_second_listener(str(tmp_path), Zoo(), threads=1)
