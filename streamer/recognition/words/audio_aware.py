"""Recognition whose LLM gets sound and emotion beside the text: what it takes of them, and when.

Only a trained fusion makes use of it; the engine then builds these in place of their parents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from streamer.audio.arrays import Floats
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import Speech
from streamer.decoding.speech_evidence import Probabilities
from streamer.decoding.streaming_decoder import StreamingDecoder
from streamer.decoding.words import RecognizedWord
from streamer.models.emotion.classifier import (
    EmotionClassifier,
    EmotionFeatures,
    EmotionModel,
    EmotionScores,
)
from streamer.models.emotion.track import TrackOptions
from streamer.models.fusion.audio_aware import AudioAwareFusion, AudioInputs
from streamer.models.moonshine.contract import Audio
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES
from streamer.recognition.emotion_monitor import (
    Classifier,
    EmotionLane,
    EmotionMonitor,
    EmotionOptions,
)
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.words.contract import Sound
from streamer.recognition.words.drafted import DraftedWords
from streamer.runtime.tracing import SpanSink
from streamer.transcript.events import EmotionUpdate

LEAD_FRAMES: Final = 20
"""Words begin a little before they are timed."""
MAX_FRAMES: Final = 256
"""Words do not stay open for longer."""


class FeatureClassifier(Classifier, Protocol):
    """A classifier with states that a fusion was trained on."""

    def features(self, samples: Floats) -> EmotionFeatures: ...


class FeatureEmotionMonitor(EmotionMonitor):
    """Keeps the classifier's states beside its scores."""

    def __init__(
        self,
        classifier: FeatureClassifier,
        lane: EmotionLane,
        options: EmotionOptions,
        spans: SpanSink,
        track: TrackOptions | None = None,
    ) -> None:
        super().__init__(classifier, lane, options, spans, track)
        self._features = classifier.features
        self._newest_frames: Floats | None = None
        self._frames: Floats | None = None

    @property
    def frames(self) -> Floats | None:
        """The classifier's states `[T, d]` of the newest window that was collected."""
        return self._frames

    def collect(self) -> EmotionUpdate | None:
        """See `EmotionMonitor`."""
        update = super().collect()
        self._frames = self._newest_frames
        return update

    def _scores(self, samples: Floats) -> EmotionScores:
        features = self._features(samples)
        self._newest_frames = features.frames
        return features.scores


def emotion_monitor(
    model: EmotionModel,
    lane: EmotionLane,
    options: EmotionOptions,
    spans: SpanSink,
    inputs: AudioInputs | None,
) -> EmotionMonitor:
    """One that keeps the model's states, if the fusion takes them. Other classifiers than the
    project's own have no states that a fusion was trained on."""
    track = TrackOptions(shown_from_of=model.shown_from)
    takes_states = inputs is not None and "emotion" in inputs.modalities
    if takes_states and isinstance(model, EmotionClassifier):
        return FeatureEmotionMonitor(model, lane, options, spans, track)
    return EmotionMonitor(model, lane, options, spans, track)


class AudioAwareDecoder(StreamingDecoder):
    """Hands the newest sound and emotion to the fusion before it decides."""

    _fusion: AudioAwareFusion

    def __init__(
        self,
        speech: Speech,
        options: DecoderOptions,
        start_sample: int,
        hot_words: HotWords,
        fusion: AudioAwareFusion,
        emotion: EmotionMonitor | None,
        *,
        audio_from: int | None = None,
        listener: SessionListener | None = None,
        read: Callable[[int, int], Floats] | None = None,
        speech_probabilities: Probabilities | None = None,
    ) -> None:
        super().__init__(
            speech,
            options,
            start_sample,
            hot_words,
            fusion,
            audio_from=audio_from,
            listener=listener,
            read=read,
            speech_probabilities=speech_probabilities,
        )
        self._emotion = emotion

    def commit_by_fusion(self, audio: Audio, window_end: int) -> tuple[RecognizedWord, ...]:
        """See `StreamingDecoder`."""
        self._set_inputs(audio)
        return super().commit_by_fusion(audio, window_end)

    def decode_end(self, audio: Audio, window_end: int, *, fused: bool) -> None:
        """See `StreamingDecoder`."""
        if fused:
            self._set_inputs(audio)
        super().decode_end(audio, window_end, fused=fused)

    def _set_inputs(self, audio: Audio) -> None:
        open_states = audio.states[self._first_open_frame(audio) :]
        self._fusion.set_features("audio", open_states)
        emotion = self._emotion
        if emotion is not None and emotion.label:
            self._fusion.set_emotion(emotion.label)
        if isinstance(emotion, FeatureEmotionMonitor) and emotion.frames is not None:
            self._fusion.set_features("emotion", emotion.frames)

    def _first_open_frame(self, audio: Audio) -> int:
        """What is committed has been decided: what follows counts, and a little before."""
        committed = (self.committed_end - self.window_start) // FRAME_SAMPLES
        return max(0, committed - LEAD_FRAMES, audio.n_frames - MAX_FRAMES)


class AudioAwareWords(DraftedWords):
    """Words by an LLM that hears."""

    _fusion: AudioAwareFusion

    def __init__(
        self,
        speech: Speech,
        options: RecognizerOptions,
        *,
        fusion: AudioAwareFusion,
        emotion: EmotionMonitor | None,
        stages: SpanSink,
        hot_words: Sequence[str] = (),
        listener: SessionListener | None = None,
    ) -> None:
        super().__init__(
            speech,
            options,
            fusion=fusion,
            stages=stages,
            hot_words=hot_words,
            listener=listener,
        )
        self._emotion = emotion

    def _new_decoder(self, sound: Sound, start_sample: int, audio_from: int) -> AudioAwareDecoder:
        return AudioAwareDecoder(
            self._speech,
            self._options.decoder,
            start_sample,
            self._hot_words,
            self._fusion,
            self._emotion,
            audio_from=audio_from,
            listener=self._listener,
            read=sound.read,
            speech_probabilities=sound.probabilities,
        )
