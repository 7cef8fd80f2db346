"""The process-wide engine: owns the models, knows threads and devices, serves all sessions.

Steps of the sessions wait on threads of their own, earliest deadline first; the models run on
`threads` others, which serve whoever waits longest and batch what waits for the same model. So
encoder and emotion classifier of one session run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from models import moonshine
from models.catalog import EMOTION
from models.emotion import EmotionModel, EmotionScores
from models.emotion_loading import load_emotion_model
from models.fusion import FusionWeights, opening_text
from models.gemma import GRAPH_VERSION
from models.llm import LlmScorer, open_llm
from models.moonshine_decoder import DraftDecoder
from models.moonshine_encoder import AsrEncoder
from models.silero import VadModel
from models.zoo import Zoo
from streamer.batcher import Batcher, Lane
from streamer.deadline_executor import DeadlineExecutor
from streamer.emotion_monitor import EmotionMonitor, EmotionOptions
from streamer.latency import SpanSink
from streamer.llm_lane import LlmLane
from streamer.recognizer import Recognizer, RecognizerOptions
from streamer.recognizer_api import Decoder, SessionOptions
from streamer.speech import SharedSpeech, SpeechModels

T = TypeVar("T")

ASR_MODEL = "moonshine-tiny-en"
LLM_MODEL = "gemma-3-270m"
LLM_FILE = "gemma-3-270m-q4_k_m.gguf"
VAD_MODEL = "silero-vad"


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
    llm: bool = True
    """Load the LLM; without it every session uses the draft decoder."""
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
        speech: SpeechModels,
        emotion: EmotionModel,
        llm: LlmScorer | None,
    ) -> None:
        self._options = options
        self._speech = speech
        self._emotion = emotion
        self._llm = llm
        self._batcher = Batcher(options.threads, "model")
        self._shared = SharedSpeech(speech, self._batcher, max_batch=options.max_batch)
        self._emotion_lane: Lane[Callable[[], EmotionScores], EmotionScores] = self._batcher.lane(
            _call_each
        )
        self._llm_lane = LlmLane(llm, self._batcher) if llm is not None else None
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
            models.errors.ModelError: a model is missing or corrupt.
            models.runtime.DeviceUnavailableError: the device is not usable.
        """
        zoo = zoo or Zoo()
        say = progress or (lambda _: None)
        say("loading speech recognition")
        # CUDA has none of the 8-bit products.
        integer = options.device == "cpu"
        graphs = zoo.derived(
            ASR_MODEL,
            lambda to: _build_graphs(
                zoo.path(ASR_MODEL, "encoder_model.ort"),
                zoo.path(ASR_MODEL, "decoder_model_merged.ort"),
                to,
                integer=integer,
            ),
            moonshine.GRAPH_VERSION + ("" if integer else "-float"),
        )
        speech = SpeechModels(
            encoder=AsrEncoder(graphs, device=options.device),
            decoder=DraftDecoder(graphs, device=options.device),
            tokenizer=moonshine.Tokenizer.read(zoo.path(ASR_MODEL, "tokenizer.bin")),
            vad=VadModel(zoo.path(VAD_MODEL, "silero_vad_16k_sequence.onnx")),
        )
        say("loading the emotion classifier")
        emotion = load_emotion_model(options.emotion_model, zoo, device=options.device)
        llm = _load_llm(zoo, options, say) if options.llm else None
        return cls(options, speech, emotion, llm)

    @property
    def models(self) -> dict[str, str]:
        """What each part runs on, by name."""
        parts = {"asr": ASR_MODEL, "vad": VAD_MODEL, "emotion": self._emotion.name}
        if self._llm is not None:
            parts["llm"] = LLM_MODEL
        return parts

    @property
    def default_decoder(self) -> Decoder:
        return "fused" if self._llm is not None and self._options.weights.llm else "draft"

    def recognizer(self, options: SessionOptions, spans: SpanSink) -> Recognizer:
        """A fresh recognizer for one session. `fused` needs the LLM; without it, `draft`."""
        fusion = None
        # An LLM without weight has no say: the draft decides, to the word.
        if options.decoder == "fused" and self._llm_lane is not None and self._options.weights.llm:
            opening = opening_text(options.context, options.hot_words)
            fusion = self._llm_lane.fusion(self._options.weights, opening, spans)
        recognizer_options = self._options.recognizer
        if options.silence_ms is not None:
            gate = replace(recognizer_options.gate, hangover_ms=options.silence_ms)
            recognizer_options = replace(recognizer_options, gate=gate)
        monitor = None
        if options.emotion:
            monitor = EmotionMonitor(
                self._emotion, self._emotion_lane, self._options.emotion, spans
            )
        return Recognizer(
            self._shared,
            recognizer_options,
            fusion=fusion,
            emotion=monitor,
            spans=spans,
            hot_words=options.hot_words,
        )

    def close(self) -> None:
        """Finish running steps and stop all threads."""
        self.executor.close()
        self._batcher.close()


def _call_each(calls: Sequence[Callable[[], T]]) -> list[T]:
    return [call() for call in calls]


def _build_graphs(encoder: Path, decoder: Path, folder: Path, *, integer: bool) -> None:
    # Its imports drag torch in: only when the graphs are not in the cache yet.
    from models.moonshine_graph import build_graphs

    build_graphs(encoder, decoder, folder, integer=integer)


def _load_llm(zoo: Zoo, options: EngineOptions, say: Callable[[str], None]) -> LlmScorer:
    def build(folder: Path) -> None:
        say("converting the LLM into the cache (once, about a minute)")
        # Its imports drag torch and transformers in: only when the graphs are not there yet.
        from models.gemma_gguf import convert
        from models.gemma_graph import build_graphs

        with TemporaryDirectory(dir=zoo.cache_dir) as scratch:
            source = Path(scratch) / LLM_FILE
            zoo.join(LLM_MODEL, LLM_FILE, source)
            convert(source, Path(scratch))
            build_graphs(Path(scratch), folder)

    folder = zoo.derived(LLM_MODEL, build, GRAPH_VERSION)
    say("loading the LLM")
    return open_llm(folder, threads=options.threads, device=options.device)
