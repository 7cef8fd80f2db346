"""Which way the words of a session are made: by its language, its decoder, and the models there
are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from streamer.decoding.decision.second_listener import ListenerLane
from streamer.decoding.ear import SessionEar
from streamer.decoding.llm_lane import LlmLane
from streamer.decoding.speech import Speech
from streamer.decoding.transduced import TransducedSpeech
from streamer.models.fusion.audio_aware import AudioAwareFusion, AudioInputs
from streamer.models.fusion.score import FusionWeights, LlmFusion
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.emotion_monitor import EmotionMonitor
from streamer.recognition.languages import AUTO, ENGLISH
from streamer.recognition.latency import Latency
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.words.audio_aware import AudioAwareWords
from streamer.recognition.words.auto import AutoWords
from streamer.recognition.words.contract import SessionWords
from streamer.recognition.words.drafted import DraftedWords
from streamer.recognition.words.expectation import Expectation
from streamer.recognition.words.listened import ListenedWords
from streamer.recognition.words.transduced import TransducedWords
from streamer.runtime.tracing import SpanSink


@dataclass(frozen=True)
class WordsMaker:
    """What the sessions of an engine share."""

    weights: FusionWeights
    latency: Latency
    speech_language: str
    """What the speech model hears, as a code."""
    languages: Collection[str]
    """To choose from where it is to be found out, by code."""
    llm: LlmLane | None
    listener: ListenerLane | None
    audio_inputs: AudioInputs | None
    """What the LLM gets beside the text; None: it only reads."""

    def make(
        self,
        language: str,
        speech: Speech | TransducedSpeech,
        options: SessionOptions,
        recognizer_options: RecognizerOptions,
        expectation: Expectation,
        emotion: EmotionMonitor | None,
        stages: StageTimes,
    ) -> SessionWords:
        """
        Args:
            language: a code, or `auto`. Others than the speech model's need a listener.
        """

        def words_of(language: str) -> SessionWords:
            translated = options.task == "translate" and language != ENGLISH
            if language != self.speech_language or (translated and self.listener is not None):
                return ListenedWords(self._ear(options, stages), recognizer_options.ear, language)
            if isinstance(speech, TransducedSpeech):
                evidence = recognizer_options.decoder.evidence
                return TransducedWords(speech, evidence, stages)
            if language == ENGLISH:
                prompt = expectation.prompt
                return self._english(speech, options, recognizer_options, prompt, emotion, stages)
            # What expects words and judges them knows English alone.
            return DraftedWords(speech, recognizer_options.foreign(), fusion=None, stages=stages)

        if language != AUTO:
            return words_of(language)
        return AutoWords(
            self._ear(options, stages),
            words_of,
            self.languages,
            recognizer_options.language,
            recognizer_options.ear,
        )

    def _english(
        self,
        speech: Speech,
        options: SessionOptions,
        recognizer_options: RecognizerOptions,
        prompt: str,
        emotion: EmotionMonitor | None,
        stages: StageTimes,
    ) -> DraftedWords:
        fusion = self._fusion(options.decoder, prompt, stages)
        asked = fusion is not None and self.latency != "low"
        lane = self.listener if asked else None
        listener = lane.session(ENGLISH, stages) if lane is not None else None
        if isinstance(fusion, AudioAwareFusion):
            return AudioAwareWords(
                speech,
                recognizer_options,
                fusion=fusion,
                emotion=emotion,
                stages=stages,
                hot_words=options.hot_words,
                listener=listener,
            )
        return DraftedWords(
            speech,
            recognizer_options,
            fusion=fusion,
            stages=stages,
            hot_words=options.hot_words,
            listener=listener,
        )

    def _ear(self, options: SessionOptions, stages: StageTimes) -> SessionEar:
        assert self.listener is not None
        return SessionEar(self.listener, options.task, stages)

    def _fusion(self, decoder: Decoder, prompt: str, spans: SpanSink) -> LlmFusion | None:
        # An LLM without weight has no say: the draft decides, to the word.
        if decoder == "draft" or self.llm is None or not self.weights.llm:
            return None
        scorer = self.llm.session(spans)
        if self.audio_inputs is not None:
            return AudioAwareFusion(scorer, self.weights, prompt, self.audio_inputs)
        return LlmFusion(scorer, self.weights, prompt)
