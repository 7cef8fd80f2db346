from __future__ import annotations

from concurrent.futures import Executor

import numpy as np

from streamer.audio.arrays import Floats
from streamer.decoding.speech import SpeechModels
from streamer.models.emotion.classifier import LABELS, EmotionFeatures, EmotionScores
from streamer.recognition.emotion_monitor import EmotionMonitor, EmotionOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.words.audio_aware import (
    MAX_FRAMES,
    AudioAwareWords,
    FeatureEmotionMonitor,
)
from streamer.runtime.tracing import NullSpans
from streamer.transcript.ledger import WordState
from tests.speech_fakes import (
    PerceivingFusion,
    ToneDecoder,
    ToneListener,
    silence,
    spoken,
    tone_models,
)
from tests.streamer.recognition.feeding import HOP, SECOND, Happy, cut, feed


class Unsure:
    def predict(self, samples: Floats) -> EmotionScores:
        return EmotionScores(dict.fromkeys(LABELS, 1 / len(LABELS)))


class Counting(Happy):
    """Its states tell the length of the window."""

    def features(self, samples: Floats) -> EmotionFeatures:
        return EmotionFeatures(self.predict(samples), np.full((2, 1), len(samples), np.float32))


def make(
    fusion: PerceivingFusion,
    emotion: EmotionMonitor | None = None,
    models: SpeechModels | None = None,
    listener: ToneListener | None = None,
) -> Recognizer:
    models, options, stages = models or tone_models(), RecognizerOptions(), StageTimes(NullSpans())
    words = AudioAwareWords(
        models,
        options,
        fusion=fusion,  # type: ignore[arg-type]
        emotion=emotion,
        stages=stages,
        listener=listener,
    )
    return Recognizer(models.vad, options, words, emotion=emotion, stages=stages)


def test_a_second_listener_has_a_say_beside_it() -> None:
    listener = ToneListener(["w10 w20 w30 w40"], {"w21": -6.0})
    models = tone_models(ToneDecoder({20: {21: 10.5}}))  # the first hears w21
    recognizer = make(PerceivingFusion(), models=models, listener=listener)
    feed(recognizer, np.concatenate([spoken([10, 20, 30, 40]), silence(2 * SECOND)]))
    assert " ".join(word.text for word in recognizer.ledger.words) == "w10 w20 w30 w40"
    assert listener.said


def test_the_fusion_gets_the_sound_that_is_not_committed_yet_and_a_little_before() -> None:
    fusion = PerceivingFusion()
    recognizer = make(fusion)
    said = list(range(10, 60))
    times = 0
    for chunk in cut(spoken(said), [HOP] * 999):
        feed(recognizer, chunk)
        done = [word for word in recognizer.ledger.words if word.state is WordState.COMMITTED]
        audio = fusion.features.pop("audio", None)
        if audio is None:
            continue
        times += 1
        heard = {round(100 * level) for level in audio[:, 0].tolist()} - {0}
        assert len(audio) <= MAX_FRAMES
        assert heard.isdisjoint(said[: max(0, len(done) - 6)])
        assert len(heard) >= 2
    assert times > 5


def test_the_fusion_knows_an_emotion_that_is_known(lane: Executor) -> None:
    audio = np.concatenate([spoken(list(range(10, 30))), silence(SECOND)])
    for classifier, expected in ((Happy(), {"happy"}), (Unsure(), set())):
        fusion = PerceivingFusion()
        feed(make(fusion, EmotionMonitor(classifier, lane, EmotionOptions(), NullSpans())), audio)
        assert set(fusion.emotions) == expected
        assert fusion.features.keys() == {"audio"}


def test_the_fusion_gets_the_classifier_s_states_where_it_has_some(lane: Executor) -> None:
    fusion = PerceivingFusion()
    monitor = FeatureEmotionMonitor(Counting(), lane, EmotionOptions(), NullSpans())
    feed(make(fusion, monitor), np.concatenate([spoken(list(range(10, 30))), silence(SECOND)]))
    assert fusion.features["emotion"][0, 0] == 3 * SECOND
    assert set(fusion.emotions) == {"happy"}


def test_states_are_handed_on_once_their_answer_is_collected(lane: Executor) -> None:
    def read(start: int, end: int) -> Floats:
        return np.zeros(end - start, np.float32)

    monitor = FeatureEmotionMonitor(Counting(), lane, EmotionOptions(), NullSpans())
    monitor.start(read, 0, SECOND)
    assert monitor.frames is None
    monitor.collect()
    assert monitor.frames is not None
    assert monitor.frames.tolist() == [[SECOND], [SECOND]]
    monitor.start(read, 0, 2 * SECOND)
    monitor.collect()
    assert monitor.frames.tolist() == [[2 * SECOND], [2 * SECOND]]
