from __future__ import annotations

import numpy as np

from benchmarks.quality.voices.known import Named
from benchmarks.quality.voices.mixtures import Conversation, Turn


def test_a_word_is_of_whoever_spoke_then_or_nearest() -> None:
    turns = (Turn("ada", 0.0, 4.0), Turn("bob", 5.0, 9.0))
    talk = Conversation("talk", np.zeros(0, np.float32), turns, {})
    told = [talk.speaker_at(seconds) for seconds in (1.0, 4.4, 4.6, 8.0, 12.0)]
    assert told == ["ada", "ada", "bob", "bob", "bob"]


def test_shares_are_of_the_words_that_were_heard() -> None:
    found = Named(2, own=40, own_named=30, others=50, others_named=1, strangers=0).summary()
    assert found["own_named_percent"] == 75.0
    assert found["others_named_percent"] == 2.0
    assert found["strangers_named_percent"] == 0.0
