"""A second listener that takes its time, beside the steps that go on showing words."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
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


def recognizer(listener: ToneListener, **options: float) -> Recognizer:
    fused = replace(FusedOptions(doubt_nats=math.inf), **options)
    return make(
        tone_models(ToneDecoder(MISHEARD)),
        RecognizerOptions(decoder=DecoderOptions(fused=fused)),
        fusion=PreferringFusion(""),
        listener=listener,
    )


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_go_on_showing_words_until_the_answer_is_due(steps: int) -> None:
    listener = SlowListener()
    running = recognizer(listener, answer_steps=steps)
    audio = spoken(SAID)
    asked_at = 0
    shown: list[int] = []
    for n_steps, start in enumerate(range(0, len(audio), HOP), 1):
        running.accept(audio[start : start + HOP])
        listener.log.clear()
        updates = of(WordsUpdate, running.step())
        if "waited for" in listener.log:
            assert n_steps - asked_at == steps
        elif n_steps > asked_at > 0:
            assert all(update.committed == () for update in updates)
            shown += [len(update.tentative) for update in updates]
        if listener.log[-1:] == ["asked"]:
            asked_at = n_steps
    assert asked_at > 0
    assert steps == 1 or max(shown) >= 3


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
    running = recognizer(listener := SlowListener(), answer_steps=3)
    events = feed(running, spoken(SAID)[:SECOND])
    while listener.log[-1:] != ["asked"]:
        events += feed(running, spoken(SAID)[running.received_samples :][:HOP])
    missed = RecognizerOptions().buffer_ms * 16 + 4 * SECOND
    events += running.accept(silence(round(missed)))
    events += [*feed(running, spoken(SAID)), *running.finalize()]
    assert listener.log.count("asked") == listener.log.count("waited for") + 1
    assert replay(events)[-1].text == text(SAID)
