from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.decision.crossings import MAX_CROSSINGS, crossings, word_keys

TEXTS = st.lists(
    st.lists(st.sampled_from(["The", "the", "cat", "cat.", "hat", "sat", "mat,"]), max_size=8).map(
        " ".join
    ),
    max_size=4,
)


def test_where_two_listeners_differ_the_words_of_either_may_stand() -> None:
    found = crossings(["the cat sat on the met"], ["The hat sat on the mat."])
    assert found == ["the cat sat on the mat.", "the hat sat on the met"]


def test_a_word_that_one_did_not_hear_may_be_there_or_not() -> None:
    assert crossings(["so not what"], ["so ask not that"]) == ["so not that", "so ask not what"]


def test_texts_that_differ_in_marks_alone_have_no_crossings() -> None:
    assert crossings(["the cat, sat"], ["The cat sat."]) == []
    assert crossings([], ["the cat"]) == []


def test_many_differences_are_taken_one_by_one() -> None:
    ours, theirs = "a b c d e f g", "a B1 c1 d1 e1 f1 g1"
    found = crossings([ours], [theirs])
    assert "a b c d e f g1" not in found  # two neighbours that differ are one difference
    ours, theirs = "a x b x c x d x e x f", "a x b1 x c1 x d1 x e1 x f1"
    found = crossings([ours], [theirs])
    assert "a x b1 x c x d x e x f" in found
    assert "a x b x c1 x d1 x e1 x f1" in found
    assert len(found) == 10


@given(TEXTS, TEXTS)
def test_crossings_are_new_different_and_made_of_both(ours: list[str], theirs: list[str]) -> None:
    found = crossings(ours, theirs)
    assert len(found) <= MAX_CROSSINGS
    keys = [word_keys(text) for text in found]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {word_keys(text) for text in (*ours, *theirs)}
    words = {key for text in (*ours, *theirs) for key in word_keys(text)}
    assert {key for each in keys for key in each} <= words
