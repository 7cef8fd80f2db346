from __future__ import annotations

import itertools
import threading
from concurrent.futures import Executor

import numpy as np
import pytest

from streamer.recognition.options import RecognizerOptions
from streamer.transcript.events import (
    AudioLost,
    DecoderChanged,
    SegmentClosed,
    SessionEvent,
)
from tests.speech_fakes import (
    PreferringFusion,
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
    cut,
    feed,
    final_text,
    make,
    of,
    replay,
)


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


def test_a_backlog_costs_one_window_of_bounded_length() -> None:
    encoder = ToneEncoder()
    recognizer = make(tone_models(encoder=encoder))
    said = [10 + i % 70 for i in range(115)]  # 36 s, the last 17 of them at once
    sizes = [HOP] * 75 + [len(spoken(said))]
    assert caption(recognizer, spoken(said), sizes) == text(said)
    assert encoder.longest <= 30 * SECOND


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
    assert " ".join(fusion.appended) == text(said)  # also what was committed without it


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
