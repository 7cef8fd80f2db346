from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from streamer.audio.arrays import Floats
from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.decoding.options import DecoderOptions
from streamer.models.fusion.audio_aware import AudioInputs
from streamer.models.fusion.score import FusionWeights
from streamer.models.fusion.trained import SETTINGS_FILE
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.gemma_source import GemmaShape, GemmaSource
from streamer.models.onnx.lora import LORA_FILE, LoraMismatchError
from streamer.models.onnx.runtime import DeviceUnavailableError
from streamer.models.store.progress import Reached
from streamer.models.store.zoo import Zoo
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.emotion_monitor import EmotionMonitor
from streamer.recognition.engine import LLM_FILE, Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.words.audio_aware import AudioAwareWords, FeatureEmotionMonitor
from streamer.recognition.words.drafted import DraftedWords
from streamer.runtime.deadline_executor import EngineClosedError
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import (
    EmotionUpdate,
    SegmentClosed,
    SessionEvent,
    SoundHeard,
    StepDone,
)
from streamer.transcript.ledger import Emotion
from streamer.transcript.wer import word_errors
from tests.models.tunes import tune
from tests.speech_models import Clip


@pytest.fixture(scope="module")
def plain_engine() -> Iterator[Engine]:
    """Without the LLM."""
    loaded = Engine.load(EngineOptions(threads=1, llm=False))
    yield loaded
    loaded.close()


def listen(recognizer: Recognizer, samples: np.ndarray) -> list[SessionEvent]:
    events: list[SessionEvent] = []
    for at in range(0, len(samples), 1_600):
        events.extend(recognizer.accept(samples[at : at + 1_600]))
        while recognizer.due():
            events.extend(recognizer.step())
    return [*events, *recognizer.finalize()]


def test_what_is_loaded_is_named(plain_engine: Engine) -> None:
    assert plain_engine.models == {
        "asr": "moonshine-tiny-en",
        "vad": "silero-vad",
        "emotion": "emotion",
    }
    assert plain_engine.default_decoder == "draft"


def test_progress_is_told() -> None:
    said: list[str] = []
    Engine.load(EngineOptions(threads=1, llm=False), progress=said.append).close()
    assert said == ["loading speech recognition", "loading the emotion classifier"]


@pytest.mark.slow
def test_recognizers_caption_speech_with_emotion(plain_engine: Engine, clips: list[Clip]) -> None:
    # Whoever asks for the LLM where there is none gets the draft decoder.
    recognizer = plain_engine.recognizer(SessionOptions(decoder="fused"), NullSpans())
    clip = next(clip for clip in clips if clip.name.startswith("1029_WSI"))
    events = listen(recognizer, clip.samples)
    (closed,) = (event for event in events if isinstance(event, SegmentClosed))
    assert word_errors(clip.text, closed.segment.text).rate <= 0.3
    assert isinstance(closed.segment.emotion, Emotion)
    assert any(isinstance(event, EmotionUpdate) for event in events)


def test_emotion_can_be_left_out(plain_engine: Engine, clips: list[Clip]) -> None:
    recognizer = plain_engine.recognizer(SessionOptions(emotion=False), NullSpans())
    events = listen(recognizer, clips[0].samples)
    assert not any(isinstance(event, EmotionUpdate) for event in events)
    assert all(segment.emotion is None for segment in recognizer.ledger.segments)
    assert recognizer.ledger.segments


def test_without_a_model_for_it_no_session_has_emotion(clips: list[Clip]) -> None:
    said: list[str] = []
    engine = Engine.load(EngineOptions(threads=1, llm=False, emotion_model=None), None, said.append)
    assert "emotion" not in engine.models
    assert said == ["loading speech recognition"]
    recognizer = engine.recognizer(SessionOptions(emotion=True), NullSpans())
    events = listen(recognizer, clips[0].samples)
    engine.close()
    assert not any(isinstance(event, EmotionUpdate) for event in events)
    assert not any("emotion" in e.stages_ms for e in events if isinstance(e, StepDone))
    assert [segment.emotion for segment in recognizer.ledger.segments] == [None]


def test_music_is_told_to_who_asks(plain_engine: Engine) -> None:
    sound = np.concatenate([tune(8), np.zeros(64_000, np.float32)])
    asked = plain_engine.recognizer(SessionOptions(emotion=False, sounds=True), NullSpans())
    told = [event for event in listen(asked, sound) if isinstance(event, SoundHeard)]
    (began, ended) = told
    assert began == SoundHeard("music", ended.start_sample)
    assert began.start_sample < 16_000
    assert ended.end_sample == pytest.approx(8 * 16_000, abs=16_000)
    other = plain_engine.recognizer(SessionOptions(emotion=False), NullSpans())
    events = listen(other, sound)
    assert not any(isinstance(event, SoundHeard) for event in events)
    assert not any("sounds" in e.stages_ms for e in events if isinstance(e, StepDone))


def test_closing_stops_the_threads_and_is_harmless_twice() -> None:
    engine = Engine.load(EngineOptions(threads=1, llm=False))
    ran: list[int] = []
    engine.executor.submit(0.0, lambda: ran.append(1))
    engine.close()
    engine.close()
    assert ran == [1]  # what was queued is finished
    with pytest.raises(EngineClosedError):
        engine.executor.submit(0.0, lambda: None)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers() and Path("/dev/nvidia0").exists(),
    reason="this machine has a GPU",
)
def test_a_missing_gpu_is_named() -> None:
    with pytest.raises(DeviceUnavailableError, match="use --device cpu"):
        Engine.load(EngineOptions(device="cuda", llm=False))


@pytest.mark.parametrize("batched", [False, True])
def test_an_llm_is_batched_as_the_small_models_are(
    batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def opened(*given: Any) -> None:
        asked.append((given[0], *given[2:]))
        raise ZeroDivisionError

    speech = SimpleNamespace(decides_alone=False)
    monkeypatch.setattr("streamer.recognition.engine.load_speech", lambda *_, **__: speech)
    monkeypatch.setattr("streamer.recognition.engine.load_any_llm", opened)
    options = EngineOptions(
        threads=3, batched=batched, llm_model="some", max_sessions=5, emotion_model=None
    )
    with pytest.raises(ZeroDivisionError):
        Engine.load(options)
    assert asked == [("some", None, 3, "cpu", 5, batched)]


class FakeScorer:
    model = SimpleNamespace(together=8, waits=False, check_room=lambda: None)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[str] = []

    def context(self, text: str = "") -> list[str]:
        self.opened.append(text)
        return [text]


class TerseScorer(FakeScorer):
    """Wants as few letters as it can get."""

    def __init__(self) -> None:
        super().__init__(Path())

    def extend(self, context: list[str], text: str) -> None:
        context.append(text)

    def score_or_fail(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        return [[-float(len(text)) for text in request.texts] for request in requests]


class FakeZoo(Zoo):
    """Everything real but the large language model."""

    def join(self, name: str, file: str, target: Path) -> None:
        target.write_bytes(b"gguf")


def test_the_llm_is_converted_once_and_opened_with_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streamer.models.llm.gemma_gguf
    import streamer.models.llm.gemma_graph
    import streamer.models.llm.loading

    def read_gemma(path: Path, _: Reached) -> str:
        assert path.read_bytes() == b"gguf"
        return "read"

    def build_graphs(source: str, folder: Path, _: Reached) -> None:
        assert source == "read"
        (folder / "body.onnx").write_text("built")

    def open_llm(folder: Path, *, threads: int, device: str, open_folder: object) -> FakeScorer:
        assert (threads, device, open_folder) == (1, "cpu", None)
        return FakeScorer(folder)

    monkeypatch.setattr(streamer.models.llm.gemma_gguf, "read_gemma", read_gemma)
    monkeypatch.setattr(streamer.models.llm.gemma_graph, "build_graphs", build_graphs)
    monkeypatch.setattr(streamer.models.llm.loading, "open_llm", open_llm)
    said: list[str] = []
    zoo = FakeZoo(tmp_path, say=said.append)
    for _ in range(2):
        engine = Engine.load(EngineOptions(threads=1, latency="low"), zoo)
        scorer = engine._llm
        assert isinstance(scorer, FakeScorer)
        assert (scorer.folder / "body.onnx").read_text() == "built"
        assert not (scorer.folder / LLM_FILE).exists()
        assert engine.models["llm"] == streamer.recognition.engine.LLM_MODEL
        assert engine.default_decoder == "fused"
        engine.recognizer(SessionOptions(context="A talk.", hot_words=("Ada",)), NullSpans())
        engine.recognizer(SessionOptions(decoder="draft"), NullSpans())
        assert scorer.opened == ["Names and terms: Ada.\nA talk.\n"]
        engine.close()
    told = [line for line in said if "gemma" in line]
    assert told[0] == "converting gemma-3-270m into the cache, this once"
    assert sum("this once" in line for line in told) == 1


def test_a_trained_fusion_changes_the_llm_and_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streamer.models.llm.gemma_gguf
    import streamer.models.llm.gemma_graph
    import streamer.models.llm.loading

    def read_gemma(path: Path, _: Reached) -> GemmaSource:
        return GemmaSource(GemmaShape(1, 1, 0.0, 1.0, ()), 2, {}, Tokenizer(BPE()))

    def build_graphs(source: GemmaSource, folder: Path, _: Reached) -> None:
        (folder / "body.onnx").write_text(" ".join(source.weights))

    def merge_lora(weights: Mapping[str, Floats], lora: Path) -> dict[str, Floats]:
        return {**weights, lora.read_text(): np.zeros(1, np.float32)}

    monkeypatch.setattr(streamer.models.llm.gemma_gguf, "read_gemma", read_gemma)
    monkeypatch.setattr(streamer.models.llm.gemma_graph, "build_graphs", build_graphs)
    monkeypatch.setattr(streamer.models.llm.loading, "merge_lora", merge_lora)
    monkeypatch.setattr(
        streamer.models.llm.loading, "open_llm", lambda folder, **_: FakeScorer(folder)
    )
    folder = tmp_path / "fusion"
    folder.mkdir()
    inputs = {"audio": False, "emotion": False, "label": False}
    settings = {"inputs": inputs, "w_llm": 0.3, "w_word": 0.1, "lora": True, "layer": None}
    (folder / SETTINGS_FILE).write_text(json.dumps(settings))
    zoo = FakeZoo(tmp_path / "cache")
    for updates in ("first", "second"):  # other updates make another model
        (folder / LORA_FILE).write_text(updates)
        engine = Engine.load(EngineOptions(threads=1, fusion=folder, latency="low"), zoo)
        assert isinstance(engine._llm, FakeScorer)
        assert (engine._llm.folder / "body.onnx").read_text() == updates
        weights = engine._options.weights
        assert (weights.llm, weights.word) == (0.3, 0.1)
        engine.close()
    with pytest.raises(LoraMismatchError, match="are for gemma"):
        Engine.load(EngineOptions(threads=1, fusion=folder, llm_model=str(folder)), zoo)


def test_an_llm_without_weight_leaves_the_draft_as_it_is(
    plain_engine: Engine, clips: list[Clip]
) -> None:
    daring = RecognizerOptions(decoder=DecoderOptions(fused=FusedOptions(prune_nats=30.0)))

    def words(weight: float, decoder: Decoder) -> list[str]:
        engine = Engine(
            EngineOptions(threads=1, weights=FusionWeights(llm=weight), recognizer=daring),
            plain_engine._speech,
            plain_engine._emotion,
            TerseScorer(),  # type: ignore[arg-type]
        )
        assert engine.default_decoder == ("fused" if weight else "draft")
        options = SessionOptions(decoder=decoder, emotion=False)
        recognizer = engine.recognizer(options, NullSpans())
        listen(recognizer, clips[0].samples)
        engine.close()
        return [word.text for segment in recognizer.ledger.segments for word in segment.words]

    draft = words(0.2, "draft")
    assert words(0.0, "fused") == draft
    assert words(50.0, "fused") != draft


@pytest.mark.parametrize("inputs", [None, AudioInputs(("audio", "emotion"), emotion_label=True)])
def test_only_a_fusion_that_was_trained_to_gets_sound_and_emotion(
    plain_engine: Engine, inputs: AudioInputs | None
) -> None:
    engine = Engine(
        EngineOptions(threads=1),
        plain_engine.speech,
        plain_engine.emotion,
        TerseScorer(),  # type: ignore[arg-type]
        inputs,
    )
    aware = inputs is not None
    fused = engine.recognizer(SessionOptions(), NullSpans())
    assert type(fused._words) is (AudioAwareWords if aware else DraftedWords)
    assert type(fused._emotion) is (FeatureEmotionMonitor if aware else EmotionMonitor)
    draft = engine.recognizer(SessionOptions(decoder="draft", emotion=False), NullSpans())
    assert type(draft) is Recognizer
    assert draft._emotion is None
    engine.close()


@pytest.mark.slow
def test_the_llm_takes_part_in_captions(engine: Engine, clips: list[Clip]) -> None:
    assert engine.default_decoder == "fused"
    recognizer = engine.recognizer(SessionOptions(), NullSpans())
    clip = clips[-1]
    events = listen(recognizer, clip.samples)
    heard = " ".join(segment.text for segment in recognizer.ledger.segments)
    assert word_errors(clip.text, heard).rate <= 0.15
    assert any("llm" in event.stages_ms for event in events if isinstance(event, StepDone))


@pytest.mark.slow
def test_a_session_chooses_the_pause_that_ends_a_segment(
    plain_engine: Engine, clips: list[Clip]
) -> None:
    def causes(silence_ms: float | None) -> list[str]:
        options = SessionOptions(emotion=False, silence_ms=silence_ms)
        samples = np.concatenate([clips[0].samples, np.zeros(16_000, np.float32)])
        events = listen(plain_engine.recognizer(options, NullSpans()), samples)
        return [event.cause for event in events if isinstance(event, SegmentClosed)]

    assert causes(None) == ["silence"]
    assert causes(3_000) == ["finalize"]
