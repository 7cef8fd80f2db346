from __future__ import annotations

import numpy as np
import pytest

from streamer.decoding.listening_decoder import EarOptions
from streamer.recognition.words.contract import Sound
from streamer.recognition.words.listened import ListenedSegment, ListenedWords
from tests.listening_fakes import ScriptedEar, sound, spoken

SECOND = 16_000


def begun(ear: ScriptedEar, start: int = 0) -> ListenedSegment:
    return ListenedWords(ear, EarOptions(), "de").begin(Sound(sound), start, start)


def texts(words: object) -> list[str]:
    assert isinstance(words, tuple)
    return [word.text for word in words]


def test_steps_between_two_hearings_tell_nothing() -> None:
    ear = ScriptedEar(spoken(["eins", "zwei", "drei", "vier"]))
    segment = begun(ear)
    assert list(segment.step(8_192, 8_192)) == []
    assert list(segment.step(SECOND * 2, 8_192)) == [()]
    assert texts(segment.tentative) == ["eins", "zwei", "drei", "vier"]
    assert list(segment.step(SECOND * 2 + 4_096, 4_096)) == []


def test_a_pause_is_heard_once_and_the_end_of_it_needs_no_more() -> None:
    ear = ScriptedEar(spoken(["eins", "zwei", "drei"]))
    segment = begun(ear)
    (committed,) = segment.pause(2 * SECOND, 4_096)
    assert texts(committed) == ["eins", "zwei"]
    assert list(segment.pause(2 * SECOND, 4_096)) == []
    (rest,) = segment.close(2 * SECOND, 0)
    assert texts(rest) == ["drei"]
    assert ear.n_heard == 1


def test_an_end_without_a_pause_is_heard() -> None:
    ear = ScriptedEar(spoken(["eins", "zwei", "drei"]))
    (committed,) = begun(ear).close(2 * SECOND, 320)
    assert texts(committed) == ["eins", "zwei", "drei"]


def test_a_preview_commits_nothing() -> None:
    segment = begun(ScriptedEar(spoken(["eins", "zwei", "drei", "vier"])))
    for end in (SECOND, 2 * SECOND, 3 * SECOND):
        segment.preview(end)
    assert len(segment.tentative) == 4
    assert segment.committed_end == 0


def test_a_segment_begins_where_it_is_told() -> None:
    ear = ScriptedEar(spoken(["alt", "neu", "neuer"], each_s=1.0))
    segment = begun(ear, SECOND)
    (committed,) = segment.close(3 * SECOND, 0)
    assert isinstance(committed, tuple)
    assert texts(committed) == ["neu", "neuer"]
    assert committed[0].start_sample == pytest.approx(SECOND, abs=400)
    assert np.diff([word.start_sample for word in committed])[0] == pytest.approx(SECOND, abs=400)


def test_a_pause_that_ends_a_turn_is_settled_and_the_segment_goes_on() -> None:
    ear = ScriptedEar(spoken(["eins", "zwei", "drei", "vier", "fünf", "sechs"]))
    segment = begun(ear)
    assert list(segment.settle()) == []  # nobody pauses
    list(segment.pause(2 * SECOND, 4_096))
    assert segment.sentence_over() is None
    (settled,) = segment.settle()
    assert texts(settled) == ["vier"]
    assert segment.tentative == ()
    (rest,) = segment.close(3 * SECOND, 0)
    assert texts(rest) == ["fünf", "sechs"]
