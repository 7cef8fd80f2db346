from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.decision.shown_words import ShownOptions, ShownWords
from streamer.decoding.draft import Token
from streamer.decoding.words import RecognizedWord

MS = 16
OPTIONS = ShownOptions(edge_ms=100, edge_confidence=0.7, stay_ms=256)


def word(text: str, start_ms: float, confidence: float, length_ms: float = 200) -> RecognizedWord:
    start, end = round(start_ms * MS), round((start_ms + length_ms) * MS)
    return RecognizedWord(text, (Token(5, 0, math.log(confidence)),), start, end)


def said(*words: tuple[str, float]) -> list[RecognizedWord]:
    """Words and how likely they are, a quarter of a second each."""
    return [word(text, 250 * at, likely) for at, (text, likely) in enumerate(words)]


def texts(shown: ShownWords) -> str:
    return " ".join(each.text for each in shown.words)


def test_a_guess_at_the_edge_of_the_sound_waits_until_it_is_likely_or_away_from_it() -> None:
    shown = ShownWords(OPTIONS)
    words = said(("the", 0.6), ("capt", 0.5))
    shown.renew(words, words[-1].end_sample)
    assert texts(shown) == "the"
    shown.renew(words, words[-1].end_sample + 101 * MS)
    assert texts(shown) == "the capt"
    sure = ShownWords(OPTIONS)
    words = said(("the", 0.6), ("captain", 0.9))
    sure.renew(words, words[-1].end_sample)
    assert texts(sure) == "the captain"


def test_what_is_shown_is_not_hidden_because_it_has_become_less_likely() -> None:
    shown = ShownWords(OPTIONS)
    end = 500 * MS
    shown.renew(said(("the", 0.9), ("captain", 0.9)), end)
    shown.renew(said(("the", 0.9), ("captain", 0.3)), end)
    assert texts(shown) == "the captain"


def test_a_less_likely_word_replaces_one_that_is_shown_when_it_has_stood_a_step() -> None:
    shown = ShownWords(OPTIONS)
    shown.renew(said(("are", 0.7), ("but", 0.9)), 1_000 * MS)
    shown.renew(said(("were", 0.5), ("but", 0.9)), 1_256 * MS)
    assert texts(shown) == "are but"
    shown.renew(said(("were", 0.5), ("but", 0.9)), 1_512 * MS)
    assert texts(shown) == "were but"


def test_a_likelier_word_replaces_it_at_once() -> None:
    shown = ShownWords(OPTIONS)
    shown.renew(said(("are", 0.7), ("but", 0.9)), 1_000 * MS)
    shown.renew(said(("were", 0.8), ("but", 0.9)), 1_000 * MS)
    assert texts(shown) == "were but"


def test_what_takes_turns_does_not_take_turns_on_the_screen() -> None:
    shown = ShownWords(OPTIONS)
    seen = set()
    for step in range(12):
        end = (1_000 + 256 * step) * MS
        shown.renew(said(("are", 0.52), ("but", 0.9)), end)
        seen.add(texts(shown))
        shown.renew(said(("were", 0.51), ("but", 0.9)), end)
        seen.add(texts(shown))
    assert seen == {"are but"}


def test_words_that_are_gone_for_one_step_stay_and_new_ones_come_behind_them() -> None:
    shown = ShownWords(OPTIONS)
    shown.renew(said(("a", 0.9), ("few", 0.9), ("and", 0.9)), 1_000 * MS)
    shown.renew(said(("a", 0.9), ("few", 0.9)), 1_256 * MS)
    assert texts(shown) == "a few and"
    shown.renew(said(("a", 0.9), ("few", 0.9), ("in", 0.6), ("then", 0.9)), 1_300 * MS)
    assert texts(shown) == "a few and then"
    shown.renew(said(("a", 0.9), ("few", 0.9)), 1_512 * MS)
    assert texts(shown) == "a few"


def test_at_a_pause_the_newest_words_are_shown() -> None:
    shown = ShownWords(OPTIONS)
    shown.renew(said(("are", 0.9), ("but", 0.9)), 1_000 * MS)
    shown.renew(said(("were", 0.2)), 1_000 * MS, at_once=True)
    assert texts(shown) == "were"


def test_what_is_committed_leaves_what_is_shown_behind_it() -> None:
    shown = ShownWords(OPTIONS)
    first = said(("we", 0.9), ("are", 0.7), ("but", 0.9))
    shown.renew(first, 1_000 * MS)
    second = said(("we", 0.9), ("were", 0.5), ("but", 0.9))
    shown.renew(second, 1_256 * MS)
    shown.commit(second[:1], second[1:], 1_256 * MS)
    assert texts(shown) == "are but"


def test_other_words_that_are_committed_take_the_rest_with_them() -> None:
    shown = ShownWords(OPTIONS)
    shown.renew(said(("may", 0.9), ("not", 0.9), ("be", 0.9)), 1_000 * MS)
    other = said(("made", 0.5), ("that", 0.9), ("bee", 0.5))
    shown.renew(other, 1_000 * MS)
    assert texts(shown) == "may not be"
    shown.commit(other[:1], other[1:], 1_000 * MS)
    assert texts(shown) == "that bee"


def test_nothing_is_left_when_it_is_cleared() -> None:
    shown = ShownWords(OPTIONS)
    shown.renew(said(("are", 0.9)), 1_000 * MS)
    shown.clear()
    assert shown.words == []


STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 1.0), st.integers(0, 300))),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=12,
)


@given(STEPS)
def test_words_never_overlap_and_none_begins_before_what_is_committed(
    steps: list[tuple[list[tuple[str, float, int]], int, bool]],
) -> None:
    shown, committed_end = ShownWords(OPTIONS), 0
    for step, (heard, n_committed, at_once) in enumerate(steps):
        at, words = committed_end / MS, []
        for text, likely, length_ms in heard:
            words.append(word(text, at, likely, length_ms))
            at += length_ms
        end = max(round(at), 256 * step) * MS
        shown.renew(words, end, at_once=at_once)
        committed, left = words[:n_committed], words[n_committed:]
        if committed:
            committed_end = committed[-1].end_sample
            shown.commit(committed, left, end)
        earliest = committed_end
        for each in shown.words:
            assert earliest <= each.start_sample <= each.end_sample
            earliest = each.end_sample
