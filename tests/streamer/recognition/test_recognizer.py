from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.audio.arrays import Floats
from streamer.decoding.speech import SpeechModels
from streamer.models.emotion.classifier import LABELS, EmotionClassifier, EmotionScores
from streamer.recognition.emotion_monitor import Classifier, EmotionMonitor, EmotionOptions
from streamer.recognition.recognizer import Recognizer, RecognizerOptions
from streamer.runtime.tracing import NullSpans, SpanSink
from streamer.transcript.events import (
    AudioLost,
    DecoderChanged,
    EmotionUpdate,
    SegmentClosed,
    SessionEvent,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Segment, Word, WordState
from streamer.transcript.wer import normalize, word_errors
from tests.speech_fakes import (
    GAP_SAMPLES,
    WORD_SAMPLES,
    PreferringFusion,
    ToneDecoder,
    ToneEncoder,
    silence,
    spoken,
    text,
    tone_models,
)
from tests.speech_models import Clip

HOP = 4_096
SECOND = 16_000


class Happy:
    """A classifier without doubts."""

    def predict(self, samples: Floats) -> EmotionScores:
        assert len(samples) >= 0.4 * SECOND
        return EmotionScores({name: 0.9 if name == "happy" else 0.02 for name in LABELS})


class Spans:
    def __init__(self) -> None:
        self.made: list[tuple[str, str, int, int]] = []

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        self.made.append((name, lane, start_ns, end_ns))


@pytest.fixture(scope="module")
def lane() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def make(
    models: SpeechModels | None = None,
    options: RecognizerOptions | None = None,
    *,
    fusion: PreferringFusion | None = None,
    lane: Executor | None = None,
    classifier: Classifier | None = None,
    spans: SpanSink | None = None,
) -> Recognizer:
    spans = spans or NullSpans()
    emotion = None
    if classifier is not None:
        assert lane is not None
        emotion = EmotionMonitor(classifier, lane, EmotionOptions(), spans)
    return Recognizer(
        models or tone_models(),
        options or RecognizerOptions(),
        fusion=fusion,
        emotion=emotion,
        spans=spans,
    )


def cut(samples: Floats, sizes: Iterable[int]) -> Iterator[Floats]:
    at = 0
    for size in sizes:
        if at >= len(samples):
            return
        yield samples[at : at + size]
        at += size


def feed(recognizer: Recognizer, samples: Floats, sizes: Iterable[int] = ()) -> list[SessionEvent]:
    """Feed in chunks, stepping whenever a step is due."""
    events: list[SessionEvent] = []
    for chunk in cut(samples, sizes or itertools.repeat(1_600)):
        events.extend(recognizer.accept(chunk))
        while recognizer.due():
            events.extend(recognizer.step())
    return events


def caption(recognizer: Recognizer, samples: Floats, sizes: Iterable[int] = ()) -> str:
    """The final text, after checking that the events tell what the ledger holds."""
    events = [*feed(recognizer, samples, sizes), *recognizer.finalize()]
    assert replay(events) == list(recognizer.ledger.segments)
    return final_text(recognizer)


def final_text(recognizer: Recognizer) -> str:
    return " ".join(segment.text for segment in recognizer.ledger.segments)


def replay(events: list[SessionEvent]) -> list[Segment]:
    """The final segments as a client would build them; checks the order of the events."""
    segments: list[Segment] = []
    committed: list[Word] = []
    next_id = processed = steps = 0
    for event in events:
        if isinstance(event, WordsUpdate):
            assert event.segment_id == len(segments)
            committed.extend(event.committed)
            next_id += len(event.committed)
            ids = [word.id for word in (*event.committed, *event.tentative)]
            first = next_id - len(event.committed)
            assert ids == list(range(first, first + len(ids)))
            assert all(word.state is WordState.COMMITTED for word in event.committed)
            assert all(word.state is WordState.TENTATIVE for word in event.tentative)
        elif isinstance(event, SegmentClosed):
            assert event.segment.final
            assert [(w.id, w.text, w.start_sample, w.end_sample) for w in committed] == [
                (w.id, w.text, w.start_sample, w.end_sample) for w in event.segment.words
            ]
            if committed:
                segments.append(event.segment)
            committed = []
        elif isinstance(event, StepDone):
            steps += 1
            assert event.step == steps
            assert event.processed_sample >= processed
            assert event.backlog_samples >= 0
            processed = event.processed_sample
    assert committed == []
    ends = [0]
    for segment in segments:
        assert ends[-1] <= segment.start_sample <= segment.end_sample
        times = [time for w in segment.words for time in (w.start_sample, w.end_sample)]
        assert times == sorted(times)
        assert segment.start_sample <= times[0]
        ends.append(segment.end_sample)
    return segments


def of(kind: type, events: Iterable[SessionEvent]) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_two_segments_with_a_pause_between(lane: Executor) -> None:
    first, second = [10, 11, 12, 13, 14], [20, 21, 22, 23]
    audio = np.concatenate(
        [silence(SECOND), spoken(first), silence(2 * SECOND), spoken(second), silence(SECOND)]
    )
    recognizer = make(classifier=Happy(), lane=lane)
    events = feed(recognizer, audio)
    closed = of(SegmentClosed, events)
    assert [event.segment.text for event in closed] == [text(first), text(second)]
    assert [event.segment.emotion.label for event in closed] == ["happy", "happy"]
    assert of(EmotionUpdate, events)[0].emotion.label == "happy"
    assert replay(events) == list(recognizer.ledger.segments)
    for word, start in zip(
        closed[1].segment.words,
        range(len(audio) - SECOND - len(spoken(second)), len(audio), WORD_SAMPLES + GAP_SAMPLES),
        strict=False,
    ):
        assert abs(word.start_sample - start) < 2_560
    assert recognizer.received_samples == len(audio)
    assert recognizer.processed_samples == len(audio) // HOP * HOP
    assert recognizer.lost_samples == 0


def test_tentative_words_come_before_their_commit_and_the_step_ends_the_list() -> None:
    recognizer = make()
    seen: set[str] = set()
    for event in feed(recognizer, spoken(list(range(10, 40)))):
        if isinstance(event, WordsUpdate):
            assert {word.text for word in event.committed} <= seen
            seen |= {word.text for word in event.tentative}
    recognizer.accept(spoken([50, 51]))
    events = list(recognizer.step())
    assert isinstance(events[-1], StepDone)
    assert len(of(StepDone, events)) == 1
    assert {"vad", "encode", "decode", "commit"} <= events[-1].stages_ms.keys()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, HOP), min_size=1, max_size=12))
def test_how_audio_is_cut_into_chunks_makes_no_difference(sizes: list[int]) -> None:
    audio = np.concatenate([silence(3_000), spoken(list(range(10, 24))), silence(14_000)])
    audio = np.concatenate([audio, spoken([30, 31]), silence(777)])
    plain, other = make(), make()
    caption(plain, audio)
    caption(other, audio, itertools.cycle(sizes))
    assert other.ledger.segments == plain.ledger.segments


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 5 * SECOND), min_size=1, max_size=6))
def test_audio_that_comes_in_bursts_gives_the_same_words(sizes: list[int]) -> None:
    said = list(range(10, 60))
    audio = np.concatenate([silence(3_000), spoken(said), silence(SECOND)])
    assert caption(make(), audio, itertools.cycle(sizes)) == text(said)


def test_a_pause_is_decoded_once_and_the_final_waits_for_no_model() -> None:
    said = list(range(10, 20))
    recognizer = make()
    events = feed(recognizer, np.concatenate([spoken(said), silence(SECOND)]), [HOP] * 99)
    steps: list[list[SessionEvent]] = [[]]
    for event in events:
        steps[-1].append(event)
        if isinstance(event, StepDone):
            steps.append([])
    (ending,) = [step for step in steps if of(SegmentClosed, step)]
    assert of(SegmentClosed, ending)[0].segment.text == text(said)
    assert "encode" not in of(StepDone, ending)[0].stages_ms
    resting = steps[: steps.index(ending)]
    updates = of(WordsUpdate, itertools.chain(*resting))
    committed = [word.text for update in updates for word in update.committed]
    assert committed == text(said[:-1]).split()
    assert "encode" not in of(StepDone, resting[-1])[0].stages_ms


def test_a_minute_of_silence_wakes_no_model_but_the_detector() -> None:
    encoder = ToneEncoder()
    events = feed(make(tone_models(encoder=encoder)), silence(60 * SECOND), itertools.repeat(HOP))
    assert len(events) == 60 * SECOND // HOP
    assert all(isinstance(event, StepDone) and set(event.stages_ms) == {"vad"} for event in events)
    assert encoder.longest == 0


def test_finalize_commits_a_word_cut_off_and_is_harmless_twice() -> None:
    recognizer = make()
    assert list(recognizer.finalize()) == []
    said = spoken([10, 11, 12])[: -GAP_SAMPLES - 900]
    events = feed(recognizer, said)
    ended = list(recognizer.finalize())
    replay([*events, *ended])
    assert isinstance(ended[-1], StepDone)
    assert final_text(recognizer) == text([10, 11, 12])
    assert recognizer.ledger.segments[-1].end_sample == len(said)
    assert list(recognizer.finalize()) == []


def test_a_session_goes_on_after_finalize() -> None:
    recognizer = make()
    events = [*feed(recognizer, spoken([10, 11])), *recognizer.finalize()]
    events += [*feed(recognizer, spoken([20, 21, 22])), *recognizer.finalize()]
    assert [segment.text for segment in replay(events)] == [text([10, 11]), text([20, 21, 22])]


def test_a_speech_too_short_to_encode_leaves_no_trace() -> None:
    recognizer = make(options=RecognizerOptions(hop_ms=32))
    events = feed(recognizer, np.full(512, 0.5, np.float32), [512])
    assert of(WordsUpdate, events) == []
    recognizer.close()
    assert list(recognizer.finalize()) == []


def test_an_overrun_is_counted_and_captions_go_on_behind_it() -> None:
    recognizer = make(options=RecognizerOptions(buffer_ms=4_000))
    first = spoken(list(range(10, 20)))
    events = feed(recognizer, first)
    committed = [word.text for word in recognizer.ledger.words if word.state != "tentative"]
    assert committed
    waiting = recognizer.received_samples - recognizer.processed_samples
    flood = np.concatenate([spoken(list(range(30, 60))), silence(2 * SECOND)])
    assert waiting + len(flood) > 4 * SECOND
    lost = [event for chunk in cut(flood, [1_000] * 999) for event in recognizer.accept(chunk)]
    assert all(event.reason == "overrun" for event in lost)
    assert sum(event.n_samples for event in lost) == recognizer.lost_samples
    assert recognizer.lost_samples == waiting + len(flood) - 4 * SECOND
    for before, after in itertools.pairwise(lost):
        assert after.start_sample == before.start_sample + before.n_samples
    at = recognizer.received_samples
    events += [*recognizer.step(), *feed(recognizer, spoken([70, 71, 72])), *recognizer.finalize()]
    segments = replay(events)
    assert [word.text for word in segments[0].words] == committed
    assert segments[-1].text.endswith(text([70, 71, 72]))
    assert abs(segments[-1].words[-3].start_sample - at) < 2_560
    # The first half of the flood is gone.
    assert "w30" not in final_text(recognizer).split()
    assert "w59" in final_text(recognizer).split()


@pytest.mark.parametrize("said", [[10, 11], list(range(10, 30))])
def test_an_overrun_inside_a_segment_with_emotion(said: list[int], lane: Executor) -> None:
    recognizer = make(options=RecognizerOptions(buffer_ms=2_000), classifier=Happy(), lane=lane)
    events = feed(recognizer, spoken(said))
    events += recognizer.accept(silence(30 * SECOND))
    events += recognizer.step()
    assert len(of(SegmentClosed, events)) == 1
    assert replay(events) == list(recognizer.ledger.segments)


def test_a_gap_moves_the_clock_and_is_counted() -> None:
    recognizer = make()
    events = feed(recognizer, spoken([10, 11, 12]))
    at = recognizer.received_samples
    (lost,) = recognizer.skip(5 * SECOND, "gap")
    assert lost == AudioLost(at, 5 * SECOND, "gap")
    assert recognizer.lost_samples == 5 * SECOND
    assert recognizer.received_samples == at + 5 * SECOND
    events += [*feed(recognizer, spoken([20, 21, 22])), *recognizer.finalize()]
    before, after = replay(events)
    assert (before.text, after.text) == (text([10, 11, 12]), text([20, 21, 22]))
    assert abs(after.words[0].start_sample - (at + 5 * SECOND)) < 2_560


def test_a_gap_longer_than_the_buffer_is_counted_once() -> None:
    recognizer = make(options=RecognizerOptions(buffer_ms=4_000))
    events = feed(recognizer, spoken([10, 11, 12]))
    waiting = recognizer.received_samples - recognizer.processed_samples
    recognizer.skip(20 * SECOND, "gap")
    assert recognizer.lost_samples - 20 * SECOND in (0, waiting)
    events += [*feed(recognizer, spoken([20, 21, 22])), *recognizer.finalize()]
    assert replay(events)[-1].text == text([20, 21, 22])


def test_a_long_segment_is_split_behind_a_committed_word(lane: Executor) -> None:
    said = [10 + i % 70 for i in range(130)]  # 40 s without a pause
    recognizer = make(
        options=RecognizerOptions(max_segment_ms=10_000), classifier=Happy(), lane=lane
    )
    assert caption(recognizer, np.concatenate([spoken(said), silence(SECOND)])) == text(said)
    segments = recognizer.ledger.segments
    assert len(segments) >= 4
    for before, after in itertools.pairwise(segments):
        assert before.end_sample == after.start_sample
    assert all(s.end_sample - s.start_sample <= 11 * SECOND for s in segments)
    assert all(s.emotion is not None and s.emotion.label == "happy" for s in segments)


def test_a_decoder_that_never_settles_does_not_grow_the_window_without_end() -> None:
    encoder = ToneEncoder()
    models = tone_models(ToneDecoder(loops_on=10), encoder)
    recognizer = make(models, RecognizerOptions(buffer_ms=10_000))
    feed(recognizer, spoken([10 + i % 70 for i in range(190)]), itertools.repeat(HOP))
    assert encoder.longest <= 30 * SECOND


def test_speech_without_words_does_not_grow_the_window_without_end() -> None:
    class Deaf(ToneDecoder):
        def hear(self, sound: Floats) -> list[tuple[int, int]]:
            return []

    encoder = ToneEncoder()
    recognizer = make(tone_models(Deaf(), encoder), RecognizerOptions(buffer_ms=10_000))
    feed(recognizer, spoken([20] * 190), itertools.repeat(HOP))
    assert encoder.longest <= 30 * SECOND


def test_a_backlog_costs_one_window_of_bounded_length() -> None:
    encoder = ToneEncoder()
    recognizer = make(tone_models(encoder=encoder))
    said = [10 + i % 70 for i in range(115)]  # 36 s, the last 17 of them at once
    sizes = [HOP] * 75 + [len(spoken(said))]
    assert caption(recognizer, spoken(said), sizes) == text(said)
    assert encoder.longest <= 30 * SECOND


def test_the_llm_decides_and_hears_what_was_committed() -> None:
    said = [10, 20, 30, 40, 50, 60, 70, 80, 11, 12, 13]
    fusion = PreferringFusion("w31")
    models = tone_models(ToneDecoder(rivals={30: {31: 9.0}}))
    recognizer = make(models, fusion=fusion)
    events = feed(recognizer, np.concatenate([spoken(said), silence(SECOND)]))
    assert final_text(recognizer) == text([31 if word == 30 else word for word in said])
    assert " ".join(fusion.told) == final_text(recognizer)
    costs = [event.stages_ms["llm"] for event in of(StepDone, events) if "llm" in event.stages_ms]
    assert sum(costs) == 1.5 * len(fusion.asked)
    assert of(DecoderChanged, events) == []


def test_the_llm_is_told_a_known_emotion_before_it_decides(lane: Executor) -> None:
    audio = np.concatenate([spoken(list(range(10, 30))), silence(SECOND)])
    fusion = PreferringFusion("")
    feed(make(fusion=fusion, lane=lane, classifier=Happy()), audio)
    assert set(fusion.emotions) == {"happy"}

    class Unsure:
        def predict(self, samples: Floats) -> EmotionScores:
            return EmotionScores(dict.fromkeys(LABELS, 1 / len(LABELS)))

    fusion = PreferringFusion("")
    feed(make(fusion=fusion, lane=lane, classifier=Unsure()), audio)
    assert fusion.emotions == []


def test_the_llm_pauses_while_the_machine_is_behind() -> None:
    said = list(range(10, 50))
    fusion = PreferringFusion("")
    recognizer = make(fusion=fusion)
    audio = spoken(said)
    events = feed(recognizer, audio, [HOP] * 10 + [8 * HOP] + [HOP] * 999)
    assert [event.decoder for event in of(DecoderChanged, events)] == ["draft", "fused"]
    events += recognizer.finalize()
    replay(events)
    assert final_text(recognizer) == text(said)
    assert " ".join(fusion.told) == text(said)  # also what was committed without it


def test_audio_may_arrive_beside_a_step() -> None:
    said = list(range(10, 80))
    audio = np.concatenate([spoken(said), silence(SECOND)])
    recognizer = make(options=RecognizerOptions(buffer_ms=60_000))
    lost: list[AudioLost] = []

    def arrive() -> None:
        for chunk in cut(audio, itertools.repeat(700)):
            lost.extend(recognizer.accept(chunk))

    writer = threading.Thread(target=arrive)
    writer.start()
    events: list[SessionEvent] = []
    while writer.is_alive() or recognizer.due():
        if recognizer.due():
            events.extend(recognizer.step())
    writer.join()
    assert lost == []
    events += recognizer.finalize()
    replay(events)
    assert final_text(recognizer) == text(said)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 12)),
        st.tuples(st.just("pause"), st.integers(1, 40_000)),
        st.tuples(st.just("skip"), st.integers(1, 30_000)),
        st.tuples(st.just("step"), st.just(0)),
        st.tuples(st.just("finalize"), st.just(0)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=80)
@given(OPERATIONS, st.booleans(), st.booleans())
def test_whatever_happens_events_and_ledger_agree_and_no_sample_goes_uncounted(
    lane: Executor, operations: list[tuple[str, int]], fused: bool, emotion: bool
) -> None:
    recognizer = make(
        tone_models(ToneDecoder(rivals={12: {13: 9.9}, 14: {15: 9.0}})),
        RecognizerOptions(buffer_ms=3_000, max_segment_ms=4_000),
        fusion=PreferringFusion("w13") if fused else None,
        lane=lane,
        classifier=Happy() if emotion else None,
    )
    events: list[SessionEvent] = []
    received = 0
    for operation, amount in operations:
        if operation == "say":
            sound = spoken(range(10, 10 + amount))
        elif operation == "pause":
            sound = silence(amount)
        else:
            sound = silence(0)
        received += len(sound)
        events.extend(recognizer.accept(sound))
        if operation == "skip":
            received += amount
            events.extend(recognizer.skip(amount, "gap"))
        elif operation == "step" and recognizer.due():
            events.extend(recognizer.step())
        elif operation == "finalize":
            events.extend(recognizer.finalize())
    events.extend(recognizer.finalize())
    assert replay(events) == list(recognizer.ledger.segments)
    assert recognizer.received_samples == received
    assert 0 <= received - recognizer.processed_samples < 512
    gaps = sum(amount for operation, amount in operations if operation == "skip")
    reported = sum(event.n_samples for event in of(AudioLost, events))
    assert gaps <= reported == recognizer.lost_samples


def noise(seconds: int) -> Floats:
    return (0.05 * np.random.default_rng(0).standard_normal(seconds * SECOND)).astype(np.float32)


def hum(seconds: int) -> Floats:
    at = np.arange(seconds * SECOND) / SECOND
    return (0.2 * np.sin(2 * np.pi * 50 * at) + 0.05 * np.sin(2 * np.pi * 150 * at)).astype(
        np.float32
    )


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
    def revised(step_silence_ms: float) -> int:
        options = RecognizerOptions(step_silence_ms=step_silence_ms)
        count = 0
        for clip in clips:
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
