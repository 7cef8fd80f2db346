"""Random Moonshines from a folder on real speech, through the real engine: what they say is noise,
but it streams, stands, and ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch, which writes the random models, is not installed")

from streamer.audio.arrays import Floats
from streamer.client.blocking import connect
from streamer.decoding.loading import load_speech
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import LoadedSpeech, SpeechModels
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.models.moonshine.windowed_encoder import WindowedEncoder
from streamer.models.store.zoo import Zoo
from streamer.protocol.messages import SegmentEvent, WordsEvent
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.languages import UnknownLanguageError
from streamer.recognition.options import FOREIGN_TOKENS_PER_SECOND, RecognizerOptions
from streamer.recognition.words.drafted import DraftedWords
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import WordsUpdate
from tests.borrowed_engine import BorrowedEngine
from tests.models.tiny_speech import MOONSHINES
from tests.serving import ServerThread
from tests.speech_models import Clip
from tests.streamer.recognition.feeding import feed, of, replay

# Random words are unlikely; here they stand all the same.
DECODER = DecoderOptions(evidence=EvidenceOptions(sure_confidence=0.0))
OPTIONS = EngineOptions(threads=1, llm=False, recognizer=RecognizerOptions(decoder=DECODER))


@pytest.fixture(scope="module", params=sorted(MOONSHINES))
def speech(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LoadedSpeech:
    folder = tmp_path_factory.mktemp(request.param)
    MOONSHINES[request.param](folder)
    return load_speech(str(folder), Zoo(), threads=1)


@pytest.fixture
def engine(speech: LoadedSpeech) -> Iterator[Engine]:
    engine = Engine(OPTIONS, speech, None, None)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def sound(clips: list[Clip]) -> Floats:
    """Two people with a pause between, one of them for longer than a window."""
    pause = np.zeros(24_000, np.float32)
    return np.concatenate([clips[-1].samples[: 13 * 16_000], pause, clips[0].samples, pause])


def test_it_runs_on_the_projects_own_graphs(speech: LoadedSpeech) -> None:
    assert isinstance(speech, SpeechModels)
    windowed = isinstance(speech.encoder, WindowedEncoder)
    assert windowed == ("streaming" in speech.name)
    assert speech.frame_samples == (320 if windowed else 384)


def test_a_session_commits_while_it_is_spoken_and_ends(engine: Engine, sound: Floats) -> None:
    recognizer = engine.recognizer(SessionOptions(), NullSpans())
    events = feed(recognizer, sound)
    early = [word for update in of(WordsUpdate, events) for word in update.committed]
    events += recognizer.finalize()
    segments = replay(events)
    words = [word for segment in segments for word in segment.words]
    assert len(words) > 3
    assert [word.id for word in early] == list(range(len(early)))
    assert early
    assert 0 <= words[0].start_sample <= words[-1].end_sample <= len(sound)


def test_a_server_serves_it(engine: Engine, speech: LoadedSpeech, sound: Floats) -> None:
    with (
        ServerThread(real_engine=BorrowedEngine(engine)) as server,
        connect(server.url) as client,
    ):
        client.send_audio(sound)
        client.stop()
        events = list(client)
        text, ready, bye = client.transcript.text, client.ready, client.bye
    assert ready is not None
    assert ready.models["asr"] == speech.name
    updates = [event for event in events if isinstance(event, WordsEvent)]
    assert any(word.state == "committed" for update in updates for word in update.words)
    segments = [event for event in events if isinstance(event, SegmentEvent)]
    assert len(text.split()) > 3
    assert text == " ".join(segment.text for segment in segments if segment.text)
    assert bye is not None


def test_a_model_of_another_language_hears_that_alone(speech: LoadedSpeech) -> None:
    options = EngineOptions(threads=1, speech_language="ja", recognizer=OPTIONS.recognizer)
    engine = Engine(options, speech, None, None)
    try:
        assert engine.languages == {"ja"}
        assert engine.default_language == "ja"
        session = SessionOptions(hot_words=("Ogechi",), context="Boats.")
        words = engine.recognizer(session, NullSpans())._words
        assert type(words) is DraftedWords
        assert words._fusion is None
        assert not words._hot_words
        assert words._options.decoder.tokens_per_second == FOREIGN_TOKENS_PER_SECOND
        with pytest.raises(UnknownLanguageError, match="hears Japanese alone, not 'en'"):
            engine.recognizer(SessionOptions(language="en"), NullSpans())
    finally:
        engine.close()
