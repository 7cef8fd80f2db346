from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.timeline import CELL_SAMPLES, Timeline, Window, learn, timeline
from streamer.recognition.speakers.voices import Voices, groups, unit

OPTIONS = SpeakerOptions()
SECOND = 16_000
HOP, LENGTH = 19_200, 25_600
VOICES = np.eye(16, dtype=np.float32)
"""As unlike as can be."""


def heard(*who: int, start: int = 0, noise: float = 0.0) -> list[Window]:
    """A window of each, one behind the other."""
    rng = np.random.default_rng(len(who))
    return [
        Window(
            start + at * HOP,
            start + at * HOP + LENGTH,
            unit(VOICES[one] + noise * rng.standard_normal(16).astype(np.float32)),
        )
        for at, one in enumerate(who)
    ]


def told(windows: list[Window], voices: Voices) -> Timeline:
    first, end = windows[0].start_sample, windows[-1].end_sample
    n_cells = -(-(end - first) // CELL_SAMPLES)
    found = timeline(windows, [1.0] * n_cells, first // CELL_SAMPLES, voices, OPTIONS)
    learn(voices, windows, found)
    return found


def test_voices_keep_their_labels_over_segments() -> None:
    voices = Voices(4, 60)
    assert set(told(heard(5, 5, 5), voices).voices) == {0}
    both = told(heard(2, 2, 2, 5, 5, 5, start=10 * SECOND), voices)
    assert list(dict.fromkeys(both.voices)) == [1, 0]
    # The change lies in the middle between the windows that do not agree.
    change = (both.first_cell + both.voices.index(0)) * CELL_SAMPLES
    assert abs(change - (10 * SECOND + 2.5 * HOP + LENGTH / 2)) <= HOP
    assert set(told(heard(2, 2, start=20 * SECOND), voices).voices) == {1}
    assert len(voices) == 2


def test_a_full_house_takes_nobody_in() -> None:
    voices = Voices(2, 60, first_label=3)
    for one in range(5):
        found = told(heard(one, one, one, start=one * 10 * SECOND), voices)
        assert set(found.voices) <= {0, 1}
    assert [voices.label(index) for index in range(len(voices))] == [3, 4]


def test_a_moment_makes_no_voice() -> None:
    voices = Voices(4, 60)
    told(heard(0, 0, 0), voices)
    brief = [*heard(0, 0, 0, 0), Window(2 * HOP, 2 * HOP + LENGTH // 4, VOICES[1])]
    assert set(told(brief, voices).voices) == {0}


def test_what_lies_between_two_voices_is_no_third_one() -> None:
    # The window with the change in it is like neither of them; it has 1.2 s to itself at most.
    assert set(told(heard(0, 0, 0, 9, 1, 1, 1), Voices(4, 60)).voices) == {0, 1}
    voices = Voices(4, 60)
    told(heard(0, 0, 0), voices)
    assert set(told(heard(1, 1, 9, 0, start=10 * SECOND), voices).voices) == {0, 1}


def test_a_brief_turn_makes_a_voice_if_a_window_hears_nobody_else() -> None:
    assert set(told(heard(0, 0, 0, 9, 9, 9, 1, 1), Voices(4, 60)).voices) == {0, 1, 2}
    voices = Voices(4, 60)
    told(heard(0, 0, 0), voices)
    assert set(told(heard(9, start=10 * SECOND), voices).voices) == {1}
    assert voices.means[1] @ VOICES[9] > 0.99


def test_a_pause_is_where_a_change_is_cheapest() -> None:
    # Voices of people are more alike than those above.
    windows = [
        replace(window, vector=unit(window.vector + np.float32(0.22)))
        for window in heard(0, 0, 0, 1, 1, 1)
    ]
    n_cells = -(-windows[-1].end_sample // CELL_SAMPLES)
    for pause in (21, 25):
        speech = [1.0] * n_cells
        speech[pause] = 0.0
        found = timeline(windows, speech, 0, Voices(4, 60), OPTIONS)
        assert found.voices.index(1) == pause


@given(st.lists(st.integers(0, 15), min_size=1, max_size=12), st.integers(1, 8))
def test_every_word_has_a_label_and_memory_is_bounded(who: list[int], most: int) -> None:
    voices = Voices(most, 60)
    for turn in range(3):
        windows = heard(*who, start=turn * 30 * SECOND, noise=0.05)
        found = told(windows, voices)
        new = sorted(set(found.voices) - set(range(len(voices))))
        assert not new
        for at in range(windows[0].start_sample, windows[-1].end_sample, SECOND):
            label = found.at(at, at + SECOND // 2)
            assert label is not None
            assert 0 <= label < most
        assert len(voices) <= most
    order = list(dict.fromkeys(found.voices))
    assert set(order) <= set(range(most))


def test_who_is_known_beforehand_has_the_first_labels_and_takes_no_place_before_coming() -> None:
    voices = Voices(2, 60, known=(VOICES[7], VOICES[5]), known_weight=4)
    # A stranger is none of them, even for want of others.
    stranger = told(heard(3, 3, 3), voices)
    assert {voices.label(at) for at in stranger.voices} == {2}
    assert set(told(heard(5, 5, 5, start=10 * SECOND), voices).voices) == {1}
    assert voices.heard == {1, 2}
    # The house is full: whoever comes now is taken for one of those, unless known.
    assert set(told(heard(9, 9, 9, start=20 * SECOND), voices).voices) <= {1, 2}
    assert set(told(heard(7, 7, 7, start=30 * SECOND), voices).voices) == {0}


def test_labels_go_on_behind_those_that_were_given_or_are_known() -> None:
    known = (VOICES[0], VOICES[1])
    for first, expected in ((0, 2), (1, 2), (5, 5)):
        voices = Voices(4, 60, first, known)
        assert [voices.label(index) for index in range(3)] == [0, 1, expected]


@given(st.lists(st.integers(0, 15), max_size=20))
def test_groups_are_of_one_voice_each(who: list[int]) -> None:
    vectors = VOICES[who] if who else np.zeros((0, 16), np.float32)
    found = groups(vectors, 0.6)
    assert sorted(row for group in found for row in group) == list(range(len(who)))
    assert [{who[row] for row in group} for group in found] == [{one} for one in dict.fromkeys(who)]


def test_a_voice_forgets_what_is_long_ago() -> None:
    voices = Voices(1, 10)
    voices.learn(0, VOICES[[0] * 10])
    voices.learn(0, VOICES[[1] * 10])
    assert voices.means[0] @ VOICES[1] > 0.9
