"""Tiny random speech models of every kind on real speech, through the real engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.decoding.loading import VAD_FILE
from streamer.decoding.options import DecoderOptions
from streamer.decoding.sources.hub_speech import HubSpeech
from streamer.decoding.speech import LoadedSpeech, SpeechModels
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.models.emotion.classifier import LABELS, ClipOptions, EmotionModel
from streamer.models.llm.loading import open_llm
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.models.transformers_speech.contract import (
    Continuation,
    Prompt,
    SpeechModel,
    WindowAudio,
)
from streamer.models.transformers_speech.loading import load_speech_model
from streamer.models.transformers_speech.whisper import WhisperDecoding
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SegmentClosed, SessionEvent, StepDone, WordsUpdate
from streamer.transcript.ledger import Word
from streamer.transcript.wer import normalize, word_errors
from tests.models.real_moonshine import through_the_library, write_real_moonshine
from tests.models.real_whisper import PACKAGES, real_whisper_is_here, write_real_whisper
from tests.models.tiny_gemma import write_tiny_gemma
from tests.models.tiny_speech import WRITERS, write_voxtral_realtime
from tests.speech_models import Clip

CHUNK = 1_600
KINDS = {**WRITERS, "voxtral_realtime": write_voxtral_realtime}
CONTEXT = "The boats of the lower river."


class Sad(EmotionModel):
    """A classifier without doubts."""

    def __init__(self) -> None:
        super().__init__(LABELS, ClipOptions())

    @property
    def name(self) -> str:
        return "sad"

    def _probabilities(self, samples: Floats) -> Floats:
        return np.array([float(label == "sad") for label in LABELS], np.float32)


@dataclass(frozen=True)
class Asked:
    prompt: Prompt
    given: str
    """What the answer was to begin with."""


class Listening:
    """The real model; keeps what it was asked."""

    def __init__(self, model: SpeechModel) -> None:
        self.name, self.tokenizer = model.name, model.tokenizer
        self.encode, self.score = model.encode, model.score
        self.beam_search = model.beam_search
        self.asked: list[Asked] = []
        self._model = model

    def draft(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        guess: Sequence[int],
        max_tokens: int,
    ) -> Continuation:
        self.asked.append(Asked(prompt, self.tokenizer.decode(list(given))))
        return self._model.draft(audio, prompt, given, guess, max_tokens)


# One kind tells most of what all of them tell.
@pytest.fixture(
    scope="module",
    params=[
        kind if kind == "qwen3_asr" else pytest.param(kind, marks=pytest.mark.slow)
        for kind in sorted(KINDS)
    ],
)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechModel:
    folder = tmp_path_factory.mktemp(request.param)
    KINDS[request.param](folder)
    return load_speech_model(folder, name=request.param)


@pytest.fixture
def listening(model: SpeechModel) -> Listening:
    return Listening(model)


@pytest.fixture
def engine(listening: Listening) -> Iterator[Engine]:
    vad = VadModel(Zoo().path(SILERO.name, VAD_FILE))
    # Random words are unlikely; here they stand all the same.
    decoder = DecoderOptions(evidence=EvidenceOptions(sure_confidence=0.0))
    options = EngineOptions(threads=2, recognizer=RecognizerOptions(decoder=decoder))
    engine = Engine(options, HubSpeech(listening, vad), Sad(), None)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def sound(clips: list[Clip]) -> Floats:
    """Two people with a pause between, one of them for longer than a window."""
    pause = np.zeros(24_000, np.float32)
    return np.concatenate([clips[-1].samples[: 13 * 16_000], pause, clips[0].samples, pause])


def feed(recognizer: Recognizer, sound: Floats) -> list[SessionEvent]:
    events: list[SessionEvent] = []
    for at in range(0, len(sound), CHUNK):
        recognizer.accept(sound[at : at + CHUNK])
        while recognizer.due():
            events.extend(recognizer.step())
    return [*events, *recognizer.finalize()]


def committed(events: Sequence[SessionEvent]) -> list[Word]:
    return [word for event in events if isinstance(event, WordsUpdate) for word in event.committed]


def test_what_is_committed_stands_and_is_built_upon(
    engine: Engine, listening: Listening, sound: Floats
) -> None:
    recognizer = engine.recognizer(SessionOptions(context=CONTEXT), NullSpans())
    events = feed(recognizer, sound)
    words = committed(events)
    assert len(words) > 3
    assert [word.id for word in words] == list(range(len(words)))
    final = [
        word for event in events if isinstance(event, SegmentClosed) for word in event.segment.words
    ]
    assert [(w.id, w.text, w.start_sample) for w in final] == [
        (w.id, w.text, w.start_sample) for w in words
    ]
    times = [time for word in words for time in (word.start_sample, word.end_sample)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= len(sound)
    # Each answer begins with committed words; what was said before them is in the
    # prompt, and nothing is both or left out.
    spoken = [word.text for word in words]
    for asked in listening.asked:
        known = [*asked.prompt.said.split(), *asked.given.split()]
        assert any(
            spoken[end - len(known) : end] == known for end in range(len(known), len(spoken) + 1)
        )
    assert any(asked.given for asked in listening.asked)
    assert any(asked.prompt.said for asked in listening.asked)


def test_context_and_emotion_are_in_the_prompt(
    engine: Engine, listening: Listening, sound: Floats
) -> None:
    options = SessionOptions(context=CONTEXT, hot_words=("Ogechi",))
    feed(engine.recognizer(options, NullSpans()), sound[: 3 * 16_000])
    assert {asked.prompt.context for asked in listening.asked} == {
        f"Names and terms: Ogechi.\n{CONTEXT}\n"
    }
    # The first step comes before the first emotion.
    emotions = [asked.prompt.emotion for asked in listening.asked]
    assert emotions == sorted(emotions)
    assert emotions[-1] == "sad"


def test_silence_yields_no_text(engine: Engine, listening: Listening) -> None:
    noise = 1e-3 * np.random.default_rng(0).standard_normal(10 * 16_000).astype(np.float32)
    for quiet in (np.zeros_like(noise), noise):
        recognizer = engine.recognizer(SessionOptions(), NullSpans())
        feed(recognizer, quiet)
        assert recognizer.ledger.words == ()
    assert listening.asked == []


def test_sessions_do_not_touch_each_other(engine: Engine, sound: Floats) -> None:
    parts = [(sound[: 4 * 16_000], CONTEXT), (sound[13 * 16_000 :], "")]

    def caption(part: tuple[Floats, str]) -> list[tuple[str, int, int]]:
        samples, context = part
        recognizer = engine.recognizer(SessionOptions(context=context), NullSpans())
        events = feed(recognizer, samples)
        return [(word.text, word.start_sample, word.end_sample) for word in committed(events)]

    alone = [caption(part) for part in parts]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(caption, parts)) == alone
    assert any(alone)


def test_an_llm_may_decide_and_words_may_be_expected(
    listening: Listening, sound: Floats, tmp_path: Path
) -> None:
    write_tiny_gemma(tmp_path)
    scorer = open_llm(tmp_path, threads=1)
    vad = VadModel(Zoo().path(SILERO.name, VAD_FILE))
    # Random weights are sure of themselves: what is unlikely to them must be asked about too.
    daring = RecognizerOptions(decoder=DecoderOptions(fused=FusedOptions(prune_nats=99.0)))
    options = EngineOptions(threads=2, recognizer=daring)
    engine = Engine(options, HubSpeech(listening, vad), Sad(), scorer)
    try:
        session = SessionOptions(hot_words=("bal", "kon gin"))
        events = feed(engine.recognizer(session, NullSpans()), sound[: 6 * 16_000])
    finally:
        engine.close()
    scored = any("llm" in event.stages_ms for event in events if isinstance(event, StepDone))
    # The realtime model knows no alternatives to choose from.
    assert scored == (listening.name != "voxtral_realtime")
    words = committed(events)
    times = [time for word in words for time in (word.start_sample, word.end_sample)]
    assert times == sorted(times)


def captions(
    speech: LoadedSpeech, clips: Sequence[Clip], hop_ms: float = RecognizerOptions.hop_ms
) -> list[list[Word]]:
    options = EngineOptions(threads=2, recognizer=RecognizerOptions(hop_ms=hop_ms))
    engine = Engine(options, speech, Sad(), None)
    try:
        session = SessionOptions(emotion=False)
        feeds = [feed(engine.recognizer(session, NullSpans()), clip.samples) for clip in clips]
    finally:
        engine.close()
    return [committed(events) for events in feeds]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attends", "median_ms"), [(True, 50), (False, 300)], ids=["attention", "spread"]
)
def test_real_weights_hear_what_the_project_s_own_engine_hears(
    attends: bool,
    median_ms: int,
    speech_models: SpeechModels,
    clips: list[Clip],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moonshine's own weights, once through the library. Without its attention words are timed as
    those of speech LLMs are."""
    if not attends:
        see = WhisperDecoding.feed
        monkeypatch.setattr(
            WhisperDecoding, "feed", lambda *asked: replace(see(*asked), attention=None)
        )
    write_real_moonshine(tmp_path)
    hub_speech = HubSpeech(through_the_library(tmp_path), speech_models.vad)
    chosen = clips[:3]
    apart_ms = []
    for clip, own, other in zip(
        chosen, captions(speech_models, chosen), captions(hub_speech, chosen), strict=True
    ):
        texts = [" ".join(word.text for word in words) for words in (own, other)]
        own_errors, errors = (word_errors(clip.text, text).errors for text in texts)
        assert errors <= own_errors + 1
        if [normalize(word.text) for word in own] == [normalize(word.text) for word in other]:
            apart_ms += [
                abs(one.start_sample - two.start_sample) / 16
                for one, two in zip(own, other, strict=True)
            ]
    assert len(apart_ms) > 15
    assert np.median(apart_ms) < median_ms


@pytest.mark.slow
@pytest.mark.skipif(not real_whisper_is_here(), reason=f"needs the packages {PACKAGES}")
def test_real_whisper_hears_a_short_clip(
    speech_models: SpeechModels, clips: list[Clip], tmp_path: Path
) -> None:
    folder = tmp_path / "whisper-base"
    write_real_whisper(folder, tmp_path)
    hub_speech = HubSpeech(load_speech_model(folder, threads=2), speech_models.vad)
    clip = clips[0]
    (words,) = captions(hub_speech, [clip], hop_ms=1_024)  # each step encodes 30 s
    assert word_errors(clip.text, " ".join(word.text for word in words)).errors == 0
