from __future__ import annotations

from streamer.recognition.decoder_choice import DecoderChoice
from streamer.transcript.events import DecoderChanged


def test_the_llm_pauses_above_one_backlog_and_comes_back_below_another() -> None:
    choice = DecoderChoice(has_llm=True, pause_above=100, resume_below=40)
    assert choice.fused
    changes = {}
    for step, waiting in enumerate((100, 101, 150, 41, 40, 41)):
        changed = choice.update(waiting)
        if changed is not None:
            changes[step] = changed.decoder
            assert choice.fused == (changed.decoder == "fused")
    assert changes == {1: "draft", 4: "fused"}


def test_a_step_that_is_late_never_brings_it_back() -> None:
    choice = DecoderChoice(has_llm=True, pause_above=10, resume_below=40)
    assert isinstance(choice.update(11), DecoderChanged)
    assert choice.update(11) is None
    assert choice.update(10) is not None


def test_without_an_llm_there_is_nothing_to_choose() -> None:
    choice = DecoderChoice(has_llm=False, pause_above=100, resume_below=40)
    assert [choice.update(waiting) for waiting in (0, 1_000, 0)] == [None] * 3
    assert not choice.fused
