from __future__ import annotations

import pytest

from streamer.recognition.turns.confidence import WITH_LLM, Evidence, Weights, confidence


def test_a_longer_pause_is_likelier_an_end() -> None:
    evidence = Evidence("done.", 0.0)
    assert confidence(evidence, 300) < confidence(evidence, 600) < confidence(evidence, 1_200)


def test_words_that_end_a_sentence_speak_for_an_end() -> None:
    assert confidence(Evidence("and", -4.0), 500) < confidence(Evidence("and", 1.0), 500)
    assert confidence(Evidence("and,"), 500) < confidence(Evidence("you?"), 500)


def test_marks_of_other_scripts_count_too() -> None:
    assert Evidence("です。").features() == Evidence("is.").features()
    assert Evidence("か？").features() == Evidence("is?").features()
    assert Evidence("").features() == Evidence("and").features()


def test_the_sum_is_logistic() -> None:
    weights = Weights(0.5, 2.0, 1.0, 0.0, 0.5)
    # 1 second of pause, a full stop, -3 nats: 0.5 + 0 + 1 - 1.5 = 0
    assert weights.confidence(Evidence("so.", -3.0), 1_000) == pytest.approx(0.5)


def test_nothing_is_believed_beyond_measure() -> None:
    sure = WITH_LLM.confidence(Evidence("so.", 6.0), 500)
    assert WITH_LLM.confidence(Evidence("so.", 60.0), 500) == sure
    assert WITH_LLM.confidence(Evidence("so.", 60.0), 0) < 1
