"""The process-wide engine: owns the models, knows threads and devices, serves all sessions.

Steps of the sessions wait on threads of their own, earliest deadline first; the models run on
`threads` others, which serve whoever waits longest and batch what waits for the same model. So
encoder and emotion classifier of one session run side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamer.audio.arrays import Floats
from streamer.decoding.llm_lane import LlmLane
from streamer.decoding.loading import load_speech
from streamer.decoding.speech import LoadedSpeech, PromptContext
from streamer.models.emotion.classifier import (
    EmotionClassifier,
    EmotionFeatures,
    EmotionModel,
    EmotionScores,
)
from streamer.models.emotion.loading import load_emotion_model
from streamer.models.emotion.track import UNKNOWN
from streamer.models.errors import ModelError
from streamer.models.fusion.score import FusionWeights, opening_text
from streamer.models.fusion.soft_tokens import SoftTokenLayer
from streamer.models.fusion.trained import TrainedFusion, read_fusion
from streamer.models.llm.loading import GEMMA_FILE, load_llm
from streamer.models.llm.scorer import LlmScorer
from streamer.models.store.catalog import EMOTION, GEMMA, MOONSHINE, SILERO
from streamer.models.store.zoo import Zoo
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.emotion_monitor import EmotionMonitor, EmotionOptions
from streamer.recognition.recognizer import Recognizer, RecognizerOptions
from streamer.runtime.batcher import Batcher, Lane, call_each
from streamer.runtime.deadline_executor import DeadlineExecutor
from streamer.runtime.tracing import SpanSink
from streamer.transcript.ledger import WordState

ASR_MODEL = MOONSHINE.name
LLM_MODEL = GEMMA.name
LLM_FILE = GEMMA_FILE
VAD_MODEL = SILERO.name


@dataclass(frozen=True)
class EngineOptions:
    device: str = "cpu"
    """`cpu` or `cuda`."""
    threads: int = 2
    """Threads that run models, and threads one LLM pass uses."""
    steps_in_flight: int = 16
    """Steps of different sessions that may be on their way at once; they wait for the models."""
    max_batch: int = 8
    """Sessions whose drafts are decoded together, at most."""
    speech_model: str = MOONSHINE.name
    """What recognizes speech, by a name that `load_speech` knows."""
    llm: bool = True
    """Load the LLM; without it every session uses the draft decoder."""
    llm_model: str = GEMMA.name
    """What that is, by a name that `load_llm` knows."""
    fusion: Path | None = None
    """Folder of a trained fusion: see `models/fusion/trained`. None: the LLM as it is, and it
    only reads."""
    emotion_model: str = EMOTION.name
    """What tells the emotion, by a name that `load_emotion_model` knows."""
    recognizer: RecognizerOptions = field(default_factory=RecognizerOptions)
    emotion: EmotionOptions = field(default_factory=EmotionOptions)
    weights: FusionWeights = field(default_factory=FusionWeights)


class Engine:
    """All models, loaded once."""

    def __init__(
        self,
        options: EngineOptions,
        speech: LoadedSpeech,
        emotion: EmotionModel,
        llm: LlmScorer | None,
        soft_tokens: SoftTokenLayer | None = None,
    ) -> None:
        self._options = options
        self._speech = speech
        self._emotion = emotion
        self._llm = llm
        self._soft_tokens = soft_tokens
        self._batcher = Batcher(options.threads, "model")
        self._source = speech.serve(self._batcher, max_batch=options.max_batch)
        self._emotion_lane: Lane[Callable[[], EmotionScores], EmotionScores] = self._batcher.lane(
            call_each
        )
        self._llm_lane = LlmLane(llm, self._batcher, soft_tokens) if llm is not None else None
        self.executor = DeadlineExecutor(options.steps_in_flight, "step")

    @classmethod
    def load(
        cls,
        options: EngineOptions,
        zoo: Zoo | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Engine:
        """Load every model. The first time, the LLM is converted into the cache (a minute).

        Raises:
            streamer.models.errors.ModelError: a model is missing or corrupt.
            streamer.models.onnx.runtime.DeviceUnavailableError: the device is not usable.
        """
        zoo = zoo or Zoo()
        say = progress or (lambda _: None)
        say("loading speech recognition")
        speech = load_speech(
            options.speech_model, zoo, threads=options.threads, device=options.device
        )
        say("loading the emotion classifier")
        emotion = load_emotion_model(options.emotion_model, zoo, device=options.device)
        llm, soft_tokens = None, None
        if options.llm:
            trained = _trained_fusion(options)
            if trained is not None:
                options = replace(options, weights=trained.weights(options.weights))
                soft_tokens = trained.layer
            llm = load_llm(
                options.llm_model,
                zoo,
                threads=options.threads,
                device=options.device,
                lora=trained.lora if trained is not None else None,
                say=say,
            )
        return cls(options, speech, emotion, llm, soft_tokens)

    @property
    def options(self) -> EngineOptions:
        """As loaded: with a trained fusion's weights, if there is one."""
        return self._options

    @property
    def speech(self) -> LoadedSpeech:
        """The speech models, for callers who run them on their own thread."""
        return self._speech

    @property
    def emotion(self) -> EmotionModel:
        return self._emotion

    @property
    def llm(self) -> LlmScorer | None:
        """None: loaded without an LLM."""
        return self._llm

    def with_options(self, options: EngineOptions) -> Engine:
        """Another engine with the same models in memory, on threads of its own. The caller closes
        both."""
        return Engine(options, self._speech, self._emotion, self._llm, self._soft_tokens)

    @property
    def models(self) -> dict[str, str]:
        """What each part runs on, by name."""
        parts = {"asr": self._speech.name, "vad": VAD_MODEL, "emotion": self._emotion.name}
        if self._llm is not None:
            parts["llm"] = self._options.llm_model
        return parts

    @property
    def default_decoder(self) -> Decoder:
        return "fused" if self._llm is not None and self._options.weights.llm else "draft"

    def recognizer(self, options: SessionOptions, spans: SpanSink) -> Recognizer:
        """A fresh recognizer for one session. `fused` needs the LLM; without it, `draft`."""
        opening = opening_text(options.context, options.hot_words)
        fusion = None
        # An LLM without weight has no say: the draft decides, to the word.
        if options.decoder == "fused" and self._llm_lane is not None and self._options.weights.llm:
            fusion = self._llm_lane.fusion(self._options.weights, opening, spans)
        recognizer_options = self._options.recognizer
        if options.silence_ms is not None:
            gate = replace(recognizer_options.gate, hangover_ms=options.silence_ms)
            recognizer_options = replace(recognizer_options, gate=gate)
        monitor = None
        if options.emotion:
            monitor = EmotionMonitor(
                self._emotion,
                self._emotion_lane,
                self._options.emotion,
                spans,
                features=self._emotion_features(),
            )

        def told() -> PromptContext:
            label = monitor.label if monitor is not None else None
            words = recognizer.ledger.words
            said = [word.text for word in words if word.state is not WordState.TENTATIVE]
            return PromptContext(
                opening, said, label if label is not None and label != UNKNOWN else ""
            )

        recognizer = Recognizer(
            self._source.session(told),
            recognizer_options,
            fusion=fusion,
            emotion=monitor,
            spans=spans,
            hot_words=options.hot_words,
        )
        return recognizer

    def _emotion_features(self) -> Callable[[Floats], EmotionFeatures] | None:
        """Where the LLM hears emotions, their classifier tells its states too; others have none
        that a fusion was trained on."""
        if "emotion" in self._options.weights.heard and isinstance(
            self._emotion, EmotionClassifier
        ):
            return self._emotion.features
        return None

    def close(self) -> None:
        """Finish running steps and stop all threads."""
        self.executor.close()
        self._batcher.close()


def _trained_fusion(options: EngineOptions) -> TrainedFusion | None:
    if options.fusion is None:
        return None
    trained = read_fusion(options.fusion, device=options.device)
    if "audio" in trained.heard and options.speech_model != MOONSHINE.name:
        raise ModelError(
            f"the fusion in {options.fusion} was trained to hear {MOONSHINE.name}: leave it out, "
            f"or the speech model {options.speech_model}"
        )
    return trained
