from __future__ import annotations

import itertools
from concurrent.futures import Executor
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.audio.arrays import Floats
from streamer.decoding.decision.agreement import AgreementOptions
from streamer.decoding.decision.shown_words import ShownOptions
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import SpeechModels
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.models.emotion.classifier import EmotionClassifier
from streamer.recognition.options import RecognizerOptions
from streamer.transcript.events import (
    EmotionUpdate,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.wer import normalize, word_errors
from tests.speech_fakes import (
    silence,
)
from tests.speech_models import Clip
from tests.streamer.recognition.feeding import (
    HOP,
    SECOND,
    caption,
    feed,
    make,
    of,
)


class Spans:
    def __init__(self) -> None:
        self.made: list[tuple[str, str, int, int]] = []

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        self.made.append((name, lane, start_ns, end_ns))


def noise(seconds: int) -> Floats:
    return (0.05 * np.random.default_rng(0).standard_normal(seconds * SECOND)).astype(np.float32)


def hum(seconds: int) -> Floats:
    at = np.arange(seconds * SECOND) / SECOND
    return (0.2 * np.sin(2 * np.pi * 50 * at) + 0.05 * np.sin(2 * np.pi * 150 * at)).astype(
        np.float32
    )


def laughter(seed: int, seconds: int = 10) -> Floats:
    """Bursts of a high voice without words."""
    random = np.random.default_rng(seed)
    pitch_hz = 350
    at = np.arange(1_920) / SECOND
    out = np.zeros(seconds * SECOND)
    start_s = 0.3
    while start_s < seconds - 2:
        for syllable in range(random.integers(4, 7)):
            bend = (1 - 0.05 * syllable) * (1 + 0.15 * random.standard_normal())
            phase = 2 * np.pi * np.cumsum(pitch_hz * bend * (1 - 2.5 * at)) / SECOND
            burst = np.zeros(len(at))
            for harmonic in range(1, 25):
                resonances = ((700, 120), (1_200, 150), (2_600, 200))
                weights = [1 / (1 + ((harmonic * pitch_hz - f) / w) ** 2) for f, w in resonances]
                burst += np.sin(harmonic * phase) / harmonic * sum(weights)
            begin = round((start_s + syllable / 4.5) * SECOND)
            out[begin : begin + len(at)] += burst * np.sin(np.pi * at / at[-1]) ** 0.7
        start_s += 1.5 + random.uniform(1, 2)
    loud: Floats = (0.2 * out / np.abs(out).max()).astype(np.float32)
    return loud


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_bursts_of_a_voice_give_no_words_though_the_decoder_finds_some(
    seed: int, speech_models: SpeechModels
) -> None:
    sound = laughter(seed)
    believing = DecoderOptions(evidence=EvidenceOptions(surely_ms=0, speech_threshold=0))
    assert caption(make(speech_models, RecognizerOptions(decoder=believing)), sound)
    recognizer = make(speech_models)
    updates = of(WordsUpdate, feed(recognizer, sound))
    updates += of(WordsUpdate, list(recognizer.finalize()))
    assert not any(update.committed or update.tentative for update in updates)
    assert list(recognizer.ledger.words) == []


@pytest.mark.slow
def test_no_word_of_very_quiet_speech_is_lost(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    for clip in clips[:3]:
        sound = np.append(silence(SECOND), clip.samples)
        loudness = np.sqrt(np.mean(np.square(clip.samples)))
        quiet = np.rint(sound * (10 ** (-60 / 20) / loudness) * 32_768) / 32_768
        errors = word_errors(clip.text, caption(make(speech_models), quiet.astype(np.float32)))
        assert errors.deletions == 0
        assert errors.rate <= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("sound", [silence(60 * SECOND), hum(60), noise(60)])
def test_a_minute_without_speech_gives_no_word(sound: Floats, speech_models: SpeechModels) -> None:
    recognizer = make(speech_models)
    events = feed(recognizer, sound, itertools.repeat(HOP))
    assert of(WordsUpdate, events) == []
    assert all(set(event.stages_ms) == {"vad"} for event in of(StepDone, events))
    assert list(recognizer.ledger.words) == []


@pytest.mark.slow
def test_silence_behind_the_window_steadies_the_tentative_words(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    # Words stay tentative for long, and all are shown as they are decoded.
    decoder = DecoderOptions(
        agreement=AgreementOptions(sure_agree_ms=768, guard_ms=500),
        shown=ShownOptions(edge_confidence=0, stay_ms=0),
    )

    def revised(step_silence_ms: float) -> int:
        options = RecognizerOptions(step_silence_ms=step_silence_ms, decoder=decoder)
        count = 0
        for clip in clips[::2]:
            before: list[list[str]] = []
            for event in of(WordsUpdate, feed(make(speech_models, options), clip.samples)):
                shown = [normalize(word.text) for word in event.tentative]
                known = before[len(event.committed) :]
                pairs = itertools.zip_longest(known, shown[: len(known)])
                count += sum(old != new for old, new in pairs)
                before = shown
        return count

    assert revised(RecognizerOptions().step_silence_ms) < revised(0)


@pytest.mark.slow
def test_real_speech_becomes_captions(speech_models: SpeechModels, clips: list[Clip]) -> None:
    pause = silence(SECOND)
    chosen = [clips[2], clips[-1], clips[1]]
    audio = np.concatenate([part for clip in chosen for part in (pause, clip.samples)])
    recognizer = make(speech_models)
    heard = caption(recognizer, audio)
    assert word_errors(" ".join(clip.text for clip in chosen), heard).rate <= 0.2
    assert len(recognizer.ledger.segments) >= 3


@pytest.mark.slow
@settings(
    deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(160, HOP), min_size=1, max_size=12))
def test_real_captions_do_not_depend_on_the_chunks(
    sizes: list[int], speech_models: SpeechModels, clips: list[Clip]
) -> None:
    plain, other = make(speech_models), make(speech_models)
    caption(plain, clips[0].samples, itertools.repeat(1_600))
    caption(other, clips[0].samples, itertools.cycle(sizes))
    assert other.ledger.segments == plain.ledger.segments


@pytest.mark.slow
def test_emotion_is_classified_beside_the_encoder(
    speech_models: SpeechModels, clips: list[Clip], lane: Executor
) -> None:
    weights = Path(str(resources.files("streamer.models"))) / "weights" / "emotion.onnx"
    if not weights.is_file():
        pytest.skip("the emotion classifier is not there")
    classifier = EmotionClassifier(weights)
    spans = Spans()
    recognizer = make(speech_models, classifier=classifier, lane=lane, spans=spans)
    events = feed(recognizer, clips[-1].samples, itertools.repeat(HOP))
    assert of(EmotionUpdate, events)
    asr = [
        (start, end) for name, where, start, end in spans.made if (name, where) == ("encode", "asr")
    ]
    emotion = [(start, end) for name, where, start, end in spans.made if name == where == "emotion"]
    assert any(a < d and c < b for a, b in asr for c, d in emotion)


@pytest.mark.slow
@pytest.mark.parametrize("at", range(4))
def test_words_of_speech_that_begins_inside_a_word_have_times_of_their_own(
    speech_models: SpeechModels, clips: list[Clip], at: int
) -> None:
    """Each clip is cut in two places of four."""
    cut_s, heard = (0.5, 0.65, 1.0, 1.3)[at], 0
    some = clips[at % 2 :: 2]
    for clip in some:
        recognizer = make(speech_models)
        caption(recognizer, clip.samples[round(cut_s * SECOND) :])
        words = [word for segment in recognizer.ledger.segments for word in segment.words]
        heard += bool(words)
        assert all(word.start_sample < word.end_sample for word in words)
        assert all(
            third.start_sample - first.start_sample > 0.025 * SECOND
            for first, third in zip(words, words[2:], strict=False)
        )
    assert heard >= len(some) - 1  # of one clip, cut at 1.3 s, hardly a sound is left
