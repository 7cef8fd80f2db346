"""A second listener that takes its time, beside the steps that go on showing words."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import numpy as np
import pytest

from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.decoding.options import DecoderOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.transcript.events import SegmentClosed, WordsUpdate
from tests.speech_fakes import (
    PreferringFusion,
    ToneDecoder,
    ToneListener,
    silence,
    spoken,
    text,
    tone_models,
)
from tests.streamer.recognition.feeding import HOP, SECOND, caption, feed, make, of, replay

Answer = TypeVar("Answer")

SAID = [10, 20, 30, 40, 50, 60, 70, 80, 11, 12, 13, 14]
MISHEARD = {20: {21: 10.5}}
"""The first listener takes w20 for w21."""


class Waited(Future[Answer]):
    """Answers when somebody waits for it."""

    def __init__(self, job: Callable[[], Answer], told: Callable[[], None]) -> None:
        super().__init__()
        self._job = job
        self._told = told

    def result(self, timeout: float | None = None) -> Answer:
        self._told()
        return self._job()


class SlowListener(ToneListener):
    """Notes when it is asked and when it is waited for."""

    def __init__(self) -> None:
        super().__init__([text(SAID)], {"w21": -6.0})
        self.log: list[str] = []

    def beside(self, job: Callable[[], Answer]) -> Future[Answer]:
        self.log.append("asked")
        return Waited(job, lambda: self.log.append("waited for"))


def recognizer(listener: ToneListener) -> Recognizer:
    fused = FusedOptions(doubt_nats=math.inf)
    return make(
        tone_models(ToneDecoder(MISHEARD)),
        RecognizerOptions(decoder=DecoderOptions(fused=fused)),
        fusion=PreferringFusion(""),
        listener=listener,
    )


def test_a_step_shows_new_words_before_it_waits_for_the_answer_of_the_step_before() -> None:
    listener = SlowListener()
    running = recognizer(listener)
    audio = spoken(SAID)
    waited = 0
    was_asked = False
    for start in range(0, len(audio) - HOP, HOP):
        running.accept(audio[start : start + HOP])
        listener.log.clear()
        shown: list[WordsUpdate] = []
        for event in running.step():
            if isinstance(event, WordsUpdate):
                shown.append(event)
            if was_asked and len(shown) == 1:
                assert listener.log == []
        if was_asked:
            waited += 1
            assert listener.log[0] == "waited for"
            early, settled = shown[:2]
            assert early.committed == ()
            newest = early.tentative[-1].end_sample
            # The newest word stays on the screen while others are committed.
            assert [*settled.committed, *settled.tentative][-1].end_sample >= newest
        was_asked = listener.log[-1:] == ["asked"]
    assert waited > 1


def test_its_answer_decides_when_it_comes() -> None:
    running = recognizer(SlowListener())
    events = feed(running, spoken(SAID))
    committed = [word.text for update in of(WordsUpdate, events) for word in update.committed]
    assert committed
    assert committed == text(SAID).split()[: len(committed)]


def test_who_speaks_on_in_the_pause_that_is_being_heard_loses_nothing() -> None:
    for pause_s in (0.3, 0.5, 0.7):
        audio = np.concatenate(
            [spoken(SAID[:4]), silence(round(pause_s * SECOND)), spoken(SAID[4:])]
        )
        assert caption(recognizer(SlowListener()), audio) == text(SAID)


@pytest.mark.parametrize("cut_s", [1.1, 1.3, 1.5, 1.7, 2.0, 2.3])
def test_what_is_finished_while_it_is_heard_waits_for_the_answer(cut_s: float) -> None:
    listener = SlowListener()
    running = recognizer(listener)
    audio = spoken(SAID)[: round(cut_s * SECOND)]
    events = [*feed(running, audio), *running.finalize()]
    (closed,) = of(SegmentClosed, events)
    assert closed.segment.text.split()[:3] == ["w10", "w20", "w30"]
    assert listener.log.count("asked") == listener.log.count("waited for")


def test_a_segment_that_is_lost_is_not_waited_for() -> None:
    running = recognizer(listener := SlowListener())
    events = feed(running, spoken(SAID)[:SECOND])
    while listener.log[-1:] != ["asked"]:
        events += feed(running, spoken(SAID)[running.received_samples :][:HOP])
    missed = RecognizerOptions().buffer_ms * 16 + 4 * SECOND
    events += running.accept(silence(round(missed)))
    events += [*feed(running, spoken(SAID)), *running.finalize()]
    assert listener.log.count("asked") == listener.log.count("waited for") + 1
    assert replay(events)[-1].text == text(SAID)
