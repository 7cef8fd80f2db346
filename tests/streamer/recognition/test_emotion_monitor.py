from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.emotion.classifier import LABELS, EmotionScores
from streamer.models.emotion.track import UNKNOWN, TrackOptions
from streamer.recognition.emotion_monitor import EmotionMonitor, EmotionOptions
from streamer.runtime.tracing import NullSpans

MS = 16


class Listener:
    """A classifier that always hears the same, and the audio behind it; samples spell their
    own position."""

    def __init__(self, label: str = "happy") -> None:
        self.label = label
        self.windows: list[tuple[int, int]] = []

    def read(self, start: int, end: int) -> Floats:
        return np.arange(start, end, dtype=np.float32)

    def predict(self, samples: Floats) -> EmotionScores:
        self.windows.append((int(samples[0]), int(samples[-1]) + 1))
        return EmotionScores({name: 0.9 if name == self.label else 0.02 for name in LABELS})


class Spans:
    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        assert start_ns <= end_ns
        self.names.append((name, lane))


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def monitor(listener: Listener, lane: Executor) -> EmotionMonitor:
    return EmotionMonitor(listener, lane, EmotionOptions(), NullSpans())


def listen(monitor: EmotionMonitor, listener: Listener, start: int, until: int) -> list[int]:
    """Steps of 320 ms over a segment; gives the ends of the windows that were answered."""
    answered = []
    for now in range(start + 320 * MS, until + 1, 320 * MS):
        monitor.start(listener.read, start, now)
        update = monitor.collect()
        if update is not None:
            assert update.end_sample == now
            answered.append(now)
    return answered


def test_answers_come_at_first_and_then_every_hop(
    monitor: EmotionMonitor, listener: Listener
) -> None:
    answered = listen(monitor, listener, 0, 4_000 * MS)
    assert answered == [at * MS for at in (960, 1_600, 2_240, 2_880, 3_520)]


def test_the_live_label_is_there_once_something_was_heard(
    monitor: EmotionMonitor, listener: Listener
) -> None:
    assert monitor.label == ""
    listen(monitor, listener, 0, 1_000 * MS)
    assert monitor.label == "happy"


def test_a_window_is_three_seconds_at_most_and_starts_in_the_segment(
    monitor: EmotionMonitor, listener: Listener
) -> None:
    start = 100_000
    listen(monitor, listener, start, start + 8_000 * MS)
    assert all(begin >= start for begin, _ in listener.windows)
    lengths = [end - begin for begin, end in listener.windows]
    assert lengths[0] == 960 * MS
    assert lengths[-1] == 3_000 * MS


def test_a_finished_segment_hears_its_end_and_takes_the_label(
    monitor: EmotionMonitor, listener: Listener
) -> None:
    listen(monitor, listener, 0, 2_000 * MS)
    emotion = monitor.segment(listener.read, 0, 2_100 * MS)
    assert emotion is not None
    assert emotion.label == "happy"
    assert sum(emotion.probs.values()) == pytest.approx(1.0)
    assert listener.windows[-1] == (0, 2_100 * MS)


def test_an_end_that_was_heard_already_is_not_heard_again(
    monitor: EmotionMonitor, listener: Listener
) -> None:
    listen(monitor, listener, 0, 1_600 * MS)
    heard = list(listener.windows)
    assert monitor.segment(listener.read, 0, 1_500 * MS) is not None
    assert listener.windows == heard


def test_a_short_segment_has_no_emotion(monitor: EmotionMonitor, listener: Listener) -> None:
    assert monitor.segment(listener.read, 0, 799 * MS) is None
    assert listener.windows == []
    assert monitor.segment(listener.read, 0, 800 * MS) is not None


def test_what_the_model_is_not_sure_enough_of_is_not_shown(
    listener: Listener, lane: Executor
) -> None:
    strict = TrackOptions(shown_from=0.95)
    monitor = EmotionMonitor(listener, lane, EmotionOptions(), NullSpans(), strict)
    monitor.start(listener.read, 0, 1_000 * MS)
    update = monitor.collect()
    assert update is not None
    assert (update.emotion.label, monitor.label) == (UNKNOWN, "")
    assert update.emotion.probs["happy"] == pytest.approx(0.9)
    emotion = monitor.segment(listener.read, 0, 1_500 * MS)
    assert emotion is not None
    assert emotion.label == UNKNOWN


def test_segments_do_not_color_each_other(monitor: EmotionMonitor, listener: Listener) -> None:
    listener.label = "angry"
    first = monitor.segment(listener.read, 0, 2_000 * MS)
    listener.label = "sad"
    second = monitor.segment(listener.read, 2_500 * MS, 4_500 * MS)
    assert first is not None
    assert second is not None
    assert (first.label, second.label) == ("angry", "sad")


def test_nothing_begun_is_nothing_to_collect(monitor: EmotionMonitor) -> None:
    assert monitor.collect() is None


def test_a_failing_classifier_fails_where_it_is_waited_for(lane: Executor) -> None:
    class Broken(Listener):
        def predict(self, samples: Floats) -> EmotionScores:
            raise ValueError("no voice")

    broken = Broken()
    monitor = EmotionMonitor(broken, lane, EmotionOptions(), NullSpans())
    monitor.start(broken.read, 0, 1_000 * MS)
    with pytest.raises(ValueError, match="no voice"):
        monitor.collect()
    assert monitor.collect() is None  # and once only


def test_time_is_accounted_for(listener: Listener, lane: Executor) -> None:
    spans = Spans()
    monitor = EmotionMonitor(listener, lane, EmotionOptions(), spans)
    monitor.start(listener.read, 0, 1_000 * MS)
    monitor.collect()
    assert spans.names == [("emotion", "emotion")]
