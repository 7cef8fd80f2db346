"""The process-wide engine: owns the models, knows threads and devices, serves all sessions.

Steps of the sessions wait on threads of their own, earliest deadline first; the models run on
`threads` others, which serve whoever waits longest and batch what waits for the same model. So
encoder and emotion classifier of one session run side by side.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamer.audio.arrays import Floats
from streamer.decoding.decision.second_listener import ListenerLane
from streamer.decoding.llm_lane import LlmLane
from streamer.decoding.loading import load_speech
from streamer.decoding.sources.card_trace import trace_queues
from streamer.decoding.sources.language_model import load_any_llm
from streamer.decoding.sources.listener import load_second_listener
from streamer.decoding.speech import LoadedSpeech, PromptContext
from streamer.models.emotion.classifier import EmotionModel
from streamer.models.fusion.audio_aware import AudioInputs
from streamer.models.fusion.score import FusionWeights
from streamer.models.fusion.trained import read_fusion
from streamer.models.llm.loading import GEMMA_FILE
from streamer.models.llm.scorer import LlmScorer
from streamer.models.sounds.classifier import SoundClassifier
from streamer.models.speakers.encoder import VoiceEncoder
from streamer.models.store.catalog import EMOTION, GEMMA, MOONSHINE, SILERO, SPEAKERS, WHISPER_BASE
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.contract import SecondListener
from streamer.recognition.contract import BEGINNING, Decoder, SessionOptions, StartPoint
from streamer.recognition.emotion_monitor import EmotionOptions
from streamer.recognition.languages import ENGLISH, NAMES, check_language
from streamer.recognition.latency import LOOK_AHEAD_MS, Latency, commit_rule
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.sounds.service import SoundService, load_sounds
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.service import SpeakerService
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.turns.detector import TurnDetector
from streamer.recognition.voice.meter import VoiceMeter, VoiceOptions
from streamer.recognition.voice.shared_emotion import EmotionService, load_emotion
from streamer.recognition.words.expectation import Expectation
from streamer.recognition.words.making import WordsMaker
from streamer.recognition.writing import session_writer
from streamer.runtime.batcher import WAIT_MS, Batcher
from streamer.runtime.deadline_executor import DeadlineExecutor
from streamer.runtime.tracing import SpanSink
from streamer.transcript.ledger import WordState

ASR_MODEL = MOONSHINE.name
LLM_MODEL = GEMMA.name
LLM_FILE = GEMMA_FILE
VAD_MODEL = SILERO.name
CARD_THREADS = 8
CARD_STEPS = 256
"""Steps that may be on their way at once on a card."""


@dataclass(frozen=True)
class EngineOptions:
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:1`."""
    batched: bool | None = None
    """Any Moonshine, small models, LLMs by name run batched in PyTorch. None: on a card with it."""
    max_sessions: int = 8
    """That a card has memory for."""
    threads: int = 2
    """Threads that run models, and threads one LLM pass uses."""
    steps_in_flight: int = 16
    """Steps of different sessions that may be on their way at once; they wait for the models."""
    max_batch: int = 8
    """Sessions whose drafts are decoded together, at most. On a card, see `batch_wait_ms`."""
    batch_wait_ms: float = WAIT_MS
    """On a card, what a session asks a model waits so long, at most, for others to ask it too."""
    speech_model: str = MOONSHINE.name
    """What recognizes speech, by a name that `load_speech` knows."""
    draft: Path | None = None
    """Low-rank updates of the project's own draft decoder, see `models/train/draft`. None: the
    decoder as it was published."""
    llm: bool = True
    """Load the LLM; without it every session uses the draft decoder."""
    llm_model: str = GEMMA.name
    """What that is, by a name that `load_llm` knows."""
    latency: Latency = "balanced"
    """What is waited for before words are committed; see `Latency`."""
    listener: str = WHISPER_BASE.name
    """The second listener, by a name that `load_second_listener` knows; it is loaded for `latency`
    other than `low`, with an LLM, and for `languages`."""
    speech_language: str = ENGLISH
    """What the speech model hears, as a code. With any other than English there is no LLM."""
    languages: bool = False
    """Load the second listener, so that sessions may speak other languages than that."""
    language: str | None = None
    """Of sessions that ask for none: its code, or `auto`. None: the speech model's; any other needs
    `languages`."""
    fusion: Path | None = None
    """Folder of a trained fusion: see `models/fusion/trained`. None: the LLM as it is, and it
    only reads."""
    emotion_model: str | None = EMOTION.name
    """What tells the emotion, by a name that `load_emotion_model` knows. None: nothing does, in
    no session."""
    recognizer: RecognizerOptions = field(default_factory=RecognizerOptions)
    emotion: EmotionOptions = field(default_factory=EmotionOptions)
    voice: VoiceOptions = field(default_factory=VoiceOptions)
    speakers: SpeakerOptions = field(default_factory=SpeakerOptions)
    weights: FusionWeights = field(default_factory=FusionWeights)


class Engine:
    """All models, loaded once."""

    def __init__(
        self,
        options: EngineOptions,
        speech: LoadedSpeech,
        emotion: EmotionModel | None,
        llm: LlmScorer | None,
        audio_inputs: AudioInputs | None = None,
        listener: SecondListener | None = None,
        voices: VoiceEncoder | None = None,
        sounds: SoundClassifier | None = None,
    ) -> None:
        """
        Args:
            audio_inputs: what the LLM gets beside the text; None: it only reads.
            voices, sounds: None tells nobody who speaks, or what else is heard.
        """
        self._options = options
        self._speech = speech
        self._emotion = emotion
        self._llm = llm
        self._audio_inputs = audio_inputs
        self._listener = listener
        decoder = options.recognizer.decoder
        decoder = replace(decoder, fused=commit_rule(decoder.fused, options.latency))
        self._recognizer_options = replace(options.recognizer, decoder=decoder)
        batched = runs_batched(options)
        # There they hardly compute, but each waits for a queue of the card.
        threads = max(options.threads, CARD_THREADS) if batched else options.threads
        self._batcher = Batcher(threads, "model", wait_ms=options.batch_wait_ms)
        self._listener_lane = ListenerLane(listener, self._batcher) if listener else None
        self._source = speech.serve(self._batcher, max_batch=options.max_batch)
        self._emotions = EmotionService(emotion, self._batcher, options.emotion, audio_inputs)
        self._speakers = SpeakerService(voices, self._batcher, options.speakers)
        self._sounds = SoundService(sounds, self._batcher)
        self._words = WordsMaker(
            options.weights,
            options.latency,
            options.speech_language,
            self.languages,
            LlmLane(llm, self._batcher) if llm is not None else None,
            self._listener_lane,
            audio_inputs,
        )
        most = min(options.max_sessions, CARD_STEPS) if batched else 0
        self.executor = DeadlineExecutor(max(options.steps_in_flight, most), "step")

    @classmethod
    def load(
        cls,
        options: EngineOptions,
        zoo: Zoo | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Engine:
        """Load every model. The first time, they are converted into the cache (some ten seconds),
        of which `zoo` tells.

        Raises:
            streamer.models.errors.ModelError: a model is missing or corrupt.
            UnknownLanguageError: no session can speak the language of those that ask for none.
            streamer.models.onnx.runtime.DeviceUnavailableError: the device is not usable.
        """
        zoo = zoo or Zoo()
        say = progress or (lambda _: None)
        threads, device, n_sessions = options.threads, options.device, options.max_sessions
        batched = runs_batched(options)
        say("loading speech recognition")
        speech = load_speech(
            options.speech_model,
            zoo,
            threads=threads,
            device=device,
            batched=batched,
            n_sessions=n_sessions,
            look_ahead_ms=LOOK_AHEAD_MS[options.latency],
            draft=options.draft,
        )
        options = replace(options, llm=options.llm and not speech.decides_alone)
        emotion = None
        if options.emotion_model is not None:
            say("loading the emotion classifier")
            # A trained fusion wants states that only the other classifier gives.
            batch = batched and options.fusion is None
            emotion = load_emotion(options.emotion_model, zoo, device, batched=batch)
        llm, lora, audio_inputs = None, None, None
        if options.llm and options.speech_language == ENGLISH:
            if options.fusion is not None:
                trained = read_fusion(
                    options.fusion, speech_model=options.speech_model, device=device
                )
                options = replace(options, weights=trained.weights(options.weights))
                lora, audio_inputs = trained.lora, trained.inputs
            say("loading the LLM")
            llm = load_any_llm(options.llm_model, zoo, lora, threads, device, n_sessions, batched)
        listener = None
        if options.languages or (options.latency != "low" and llm is not None):
            say("loading the second listener")
            listener = load_second_listener(
                options.listener, zoo, threads=threads, device=device, n_sessions=n_sessions
            )
        check_language(options.language or options.speech_language, _languages(options, listener))
        voices = VoiceEncoder(zoo.path(SPEAKERS.name, "speakers.onnx"), device=device)
        return cls(options, speech, emotion, llm, audio_inputs, listener, voices, load_sounds(zoo))

    @property
    def options(self) -> EngineOptions:
        """As loaded: with a trained fusion's weights, if there is one."""
        return self._options

    @property
    def speech(self) -> LoadedSpeech:
        """The speech models, for callers who run them on their own thread."""
        return self._speech

    @property
    def emotion(self) -> EmotionModel | None:
        """None: loaded without one."""
        return self._emotion

    @property
    def listener(self) -> SecondListener | None:
        """None: loaded without a second listener."""
        return self._listener

    @property
    def llm(self) -> LlmScorer | None:
        """None: loaded without an LLM."""
        return self._llm

    def with_options(self, options: EngineOptions) -> Engine:
        """Another engine with the same models in memory, on threads of its own. The caller closes
        both."""
        return Engine(
            options,
            self._speech,
            self._emotion,
            self._llm,
            self._audio_inputs,
            self._listener,
            self._speakers.encoder,
            self._sounds.classifier,
        )

    @property
    def models(self) -> dict[str, str]:
        """What each part runs on, by name."""
        parts = {"asr": self._speech.name, "vad": VAD_MODEL}
        if self._emotion is not None:
            parts["emotion"] = self._emotion.name
        if self._llm is not None:
            parts["llm"] = self._options.llm_model
        if self._listener_lane is not None:
            parts["listener"] = self._options.listener
        return parts

    @property
    def default_decoder(self) -> Decoder:
        return "fused" if self._llm is not None and self._options.weights.llm else "draft"

    @property
    def languages(self) -> frozenset[str]:
        return _languages(self._options, self._listener)

    @property
    def default_language(self) -> str:
        return self._options.language or self._options.speech_language

    def recognizer(
        self, options: SessionOptions, spans: SpanSink, start: StartPoint = BEGINNING
    ) -> Recognizer:
        """A fresh recognizer for one session. `fused` needs the LLM; without it, `draft`.

        Raises:
            UnknownLanguageError: the language is not to be had, or not with these options.
        """
        language = options.language or self.default_language
        check_language(language, self.languages)
        stages = StageTimes(spans)
        emotion = self._emotions.monitor(stages) if options.emotion else None
        recognizer_options = self._recognizer_options.closing_after(options.silence_ms)
        expectation = Expectation(options.context, options.hot_words)

        def prompt_context() -> PromptContext:
            words = recognizer.ledger.words
            said = [word.text for word in words if word.state is not WordState.TENTATIVE]
            label = emotion.label if emotion else ""
            return PromptContext(recognizer.expectation.prompt, said, label)

        speech = self._source.session(prompt_context)
        words = self._words.make(
            language, speech, options, recognizer_options, expectation, emotion, stages
        )
        recognizer = Recognizer(
            speech.vad,
            recognizer_options,
            words,
            emotion=emotion,
            stages=stages,
            voice=None if emotion is None else VoiceMeter(self._options.voice),
            speakers=self._speakers.monitor(options, stages, start),
            sounds=self._sounds.monitor(options, stages, start),
            start=start,
            writer=session_writer(options, language, speech.tokenizer),
            expectation=expectation,
            turns=TurnDetector(options.turns, start.word_id) if options.turns else None,
        )
        return recognizer

    def voice_print(self, samples: Floats) -> Floats:
        vad = self._source.session(lambda: PromptContext("", (), "")).vad
        return self._speakers.voice_print(samples, vad)

    def trace(self, open_sink: Callable[[str], SpanSink]) -> None:
        models = (self._speech, self._emotion, self._listener, self._llm and self._llm.model)
        trace_queues(models, open_sink)

    def close(self) -> None:
        """Finish running steps and stop all threads."""
        self.executor.close()
        if self._listener_lane is not None:
            self._listener_lane.close()
        self._emotions.close()
        self._batcher.close()


def runs_batched(options: EngineOptions) -> bool:
    """See `EngineOptions.batched`."""
    if options.batched is not None:
        return options.batched
    return options.device != "cpu" and importlib.util.find_spec("torch") is not None


def _languages(options: EngineOptions, listener: SecondListener | None) -> frozenset[str]:
    listened = listener.languages if listener is not None and options.languages else frozenset()
    return (listened & NAMES.keys()) | {options.speech_language}
