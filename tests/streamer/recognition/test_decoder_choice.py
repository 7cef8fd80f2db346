from __future__ import annotations

from streamer.recognition.decoder_choice import Backlogs, DecoderChoice
from streamer.recognition.options import RecognizerOptions
from streamer.transcript.events import DecoderChanged

BACKLOGS = Backlogs(pause_listener=70, pause_llm=100, resume=40)


def test_the_llm_pauses_above_one_backlog_and_comes_back_below_another() -> None:
    choice = DecoderChoice(BACKLOGS, has_llm=True)
    assert choice.fused
    assert not choice.listening
    changes = {}
    for step, waiting in enumerate((100, 101, 150, 41, 40, 41)):
        changed = choice.update(waiting)
        if changed is not None:
            changes[step] = changed.decoder
            assert choice.fused == (changed.decoder == "fused")
    assert changes == {1: "draft", 4: "fused"}


def test_the_second_listener_is_the_first_to_go_and_the_last_to_come_back() -> None:
    choice = DecoderChoice(BACKLOGS, has_llm=True, has_listener=True)
    seen = []
    for waiting in (70, 71, 101, 101, 40, 40, 40, 150, 0, 0):
        choice.update(waiting)
        seen.append((choice.fused, choice.listening))
    both, llm, none = (True, True), (True, False), (False, False)
    assert seen == [both, llm, none, none, llm, both, both, llm, both, both]


def test_a_step_that_is_very_late_costs_the_second_listener_alone() -> None:
    choice = DecoderChoice(BACKLOGS, has_llm=True, has_listener=True)
    seen = []
    for waiting in (1_000, 100, 101):
        choice.update(waiting)
        seen.append((choice.fused, choice.listening))
    assert seen == [(True, False), (True, False), (False, False)]


def test_a_step_that_is_late_never_brings_it_back() -> None:
    choice = DecoderChoice(Backlogs(10, 10, 40), has_llm=True)
    assert isinstance(choice.update(11), DecoderChanged)
    assert choice.update(11) is None
    assert choice.update(10) is not None


def test_without_an_llm_there_is_nothing_to_choose() -> None:
    choice = DecoderChoice(BACKLOGS, has_llm=False, has_listener=True)
    assert [choice.update(waiting) for waiting in (0, 1_000, 0)] == [None] * 3
    assert not choice.fused
    assert not choice.listening


def test_by_default_the_second_listener_goes_a_hop_before_the_llm() -> None:
    options = RecognizerOptions()
    pauses = [options.listener_backlog_ms, options.fused_backlog_ms]
    listener, llm = (int(pause_ms // options.hop_ms) + 1 for pause_ms in pauses)
    assert 1 < listener < llm
