from __future__ import annotations

import itertools
from concurrent.futures import Executor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.audio.arrays import Floats
from streamer.recognition.options import RecognizerOptions
from streamer.transcript.events import (
    AudioLost,
    DecoderChanged,
    EmotionUpdate,
    SegmentClosed,
    SessionEvent,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Word
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
from tests.streamer.recognition.feeding import (
    HOP,
    SECOND,
    Happy,
    caption,
    feed,
    final_text,
    make,
    of,
    replay,
)


def test_two_segments_with_a_pause_between(lane: Executor) -> None:
    first, second = [10, 11, 12, 13, 14], [20, 21, 22, 23]
    audio = np.concatenate(
        [silence(SECOND), spoken(first), silence(2 * SECOND), spoken(second), silence(SECOND)]
    )
    recognizer = make(classifier=Happy(), lane=lane)
    events = feed(recognizer, audio)
    closed = of(SegmentClosed, events)
    assert [event.segment.text for event in closed] == [text(first), text(second)]
    emotions = [event.segment.emotion for event in closed]
    assert [emotion and emotion.label for emotion in emotions] == ["happy", "happy"]
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


def loudness_db(word: Word) -> float | None:
    assert word.voice is not None
    return word.voice.loudness_db


def test_words_tell_how_loud_they_are_and_segments_how_aroused(lane: Executor) -> None:
    pause = silence(2 * SECOND)
    # The level of these words spells them.
    usual, loud = spoken(range(18, 38)), spoken((72, 75, 78))
    recognizer = make(classifier=Happy(), lane=lane)
    events = feed(recognizer, np.concatenate([usual, pause, loud, pause]))
    first, second = (event.segment for event in of(SegmentClosed, events))
    before, told = ([loudness_db(word) for word in one.words] for one in (first, second))
    assert before[:4] == [None] * 4
    assert all(db is not None and abs(db) < 4 for db in before[4:])
    level = 28  # in the middle of those before
    assert told == pytest.approx([20 * np.log10(word / level) for word in (72, 75, 78)], abs=1.5)
    committed = [word for event in of(WordsUpdate, events) for word in event.committed]
    assert [word.voice for word in committed] == [w.voice for w in (*first.words, *second.words)]
    assert first.emotion is not None
    assert second.emotion is not None
    assert second.emotion.arousal is not None
    assert first.emotion.arousal is None
    assert second.emotion.arousal.value > 0.9
    assert sum("voice" in event.stages_ms for event in of(StepDone, events)) > 0


def test_without_emotion_nothing_of_the_voice_is_measured() -> None:
    recognizer = make()
    events = feed(recognizer, np.concatenate([spoken(range(10, 30)), silence(2 * SECOND)]))
    (closed,) = of(SegmentClosed, events)
    assert {word.voice for word in closed.segment.words} == {None}
    assert not any("voice" in event.stages_ms for event in of(StepDone, events))


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


@pytest.mark.slow
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


@pytest.mark.parametrize("spoken_ms", [40, 60, 80])
def test_a_word_that_has_just_begun_is_not_said_to_begin_before_a_finalize(spoken_ms: int) -> None:
    before = np.concatenate([spoken([10, 11]), silence(2 * SECOND)])
    word = spoken([20, 21])
    mark = len(before) + spoken_ms * 16
    said = np.concatenate([before, word])
    recognizer = make(options=RecognizerOptions(hop_ms=32))
    events = [*feed(recognizer, said[:mark]), *recognizer.finalize()]
    told = sum(len(event.segment.words) for event in of(SegmentClosed, events))
    events += [*feed(recognizer, said[mark:]), *recognizer.finalize()]
    segments = replay(events)
    assert [segment.text for segment in segments] == [text([10, 11]), text([20, 21])]
    assert told == 2
    assert segments[1].start_sample == mark
    assert all(word.start_sample >= mark for word in segments[1].words)


def test_a_speech_too_short_to_encode_leaves_no_trace() -> None:
    recognizer = make(options=RecognizerOptions(hop_ms=32))
    events = feed(recognizer, np.full(512, 0.5, np.float32), [512])
    assert of(WordsUpdate, events) == []
    recognizer.close()
    assert list(recognizer.finalize()) == []


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


@pytest.mark.slow
def test_a_decoder_that_never_settles_does_not_grow_the_window_without_end() -> None:
    encoder = ToneEncoder()
    models = tone_models(ToneDecoder(loops_on=10), encoder)
    recognizer = make(models, RecognizerOptions(buffer_ms=10_000))
    feed(recognizer, spoken([10 + i % 70 for i in range(190)]), itertools.repeat(HOP))
    assert encoder.longest <= 30 * SECOND


def test_speech_without_words_does_not_grow_the_window_without_end() -> None:
    class Deaf(ToneDecoder):
        def words_in(self, sound: Floats) -> list[tuple[int, int]]:
            return []

    encoder = ToneEncoder()
    recognizer = make(tone_models(Deaf(), encoder), RecognizerOptions(buffer_ms=10_000))
    feed(recognizer, spoken([20] * 190), itertools.repeat(HOP))
    assert encoder.longest <= 30 * SECOND


def test_the_llm_decides_and_hears_what_was_committed() -> None:
    said = [10, 20, 30, 40, 50, 60, 70, 80, 11, 12, 13]
    fusion = PreferringFusion("w31")
    models = tone_models(ToneDecoder(rivals={30: {31: 9.0}}))
    recognizer = make(models, fusion=fusion)
    events = feed(recognizer, np.concatenate([spoken(said), silence(SECOND)]))
    assert final_text(recognizer) == text([31 if word == 30 else word for word in said])
    assert " ".join(fusion.appended) == final_text(recognizer)
    assert of(DecoderChanged, events) == []


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
